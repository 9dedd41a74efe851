"""Hostile files: whole small sets of every kind that slimtrain reads, in which one file is damaged before it is read.

Half of the damage is of bytes. The other half knows the format: lengths, shapes and offsets that lie, with headers and
checksums made right again, names that lead elsewhere, packed files that unpack to more than there is, pickles.
"""

import os
import random
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from soak import damage, forged
from soak.confined import Draw, Try, confined
from soak.tally import Tally

from slimtrain.data import sources
from slimtrain.data.records import Dataset
from slimtrain.jobs.restore import resume_point, weights_from
from slimtrain.store import checkpoint, metrics
from slimtrain.store.rundir import RunDir, open_run, read_json
from slimtrain.store.tensorflow.checkpoint import open_checkpoint
from slimtrain.store.weights import read_facts, read_weights, write_weights

TESTS = Path(__file__).parents[1]
SPLITS = ("train", "test")
Reads = Callable[[Path, random.Random], object]
Makes = Callable[[Path], object]


def soak(count: int, seed: int, workers: int) -> Tally:
    """So many hostile files."""
    return confined("files", count, seed, workers)


def cases(seed: int, kept: Path) -> Draw:
    """What a try is drawn by; whole sets of files of each kind are made first."""
    for kind, (make, _) in KINDS.items():
        (kept / kind).mkdir(parents=True)
        make(kept / kind)
    files = {kind: sorted(p for p in (kept / kind).rglob("*") if p.is_file()) for kind in KINDS}
    return partial(drawn, kept, files)


def drawn(kept: Path, files: Mapping[str, list[Path]], draw: random.Random, folder: Path) -> Try:
    """A try: a set of files of which one is damaged, and what reads it."""
    kind = draw.choice(list(KINDS))
    victim = draw.choice(files[kind])
    other = draw.choice(files[draw.choice(list(KINDS))])
    there = folder / "set"
    # A run is written to as it is read; of the others only the victim is to differ.
    shutil.copytree(kept / kind, there, copy_function=shutil.copy if kind == "run" else os.link)
    path = there / victim.relative_to(kept / kind)
    data = victim.read_bytes()
    path.unlink()
    how = draw.choices(["bytes", "forged", "another file"], [45, 50, 5])[0]
    if how == "another file":
        instead(draw, path, other)
    elif how == "bytes":
        path.write_bytes(damage.bytes_of(draw, data, other.read_bytes()))
    else:
        path.write_bytes(forged.forge(draw, victim))
    return f"{kind}: {how}", partial(read, KINDS[kind][1], there, draw)


def instead(draw: random.Random, path: Path, other: Path) -> None:
    """What takes a file's place: nothing, a pipe, a device, a folder, a circle of links, a hole, another file."""
    choice = draw.randrange(7)
    if choice == 0:
        os.mkfifo(path)
    elif choice == 1:
        os.symlink(draw.choice(["/dev/zero", "/dev/full", "/dev/null", "/proc/self/mem", path.name, "gone", "/"]), path)
    elif choice == 2:
        path.mkdir()
    elif choice == 3:
        with path.open("wb") as file:
            file.write(draw.choice([b"", b"1,2\n", b"\x1f\x8b", b"\0\0\x08\x03"]))
            file.truncate(draw.choice([0, 3073 << 20, 1 << 40]))
    elif choice == 4:
        shutil.copy(other, path)


def read(reads: Reads, folder: Path, draw: random.Random) -> None:
    """Reads a set of files from inside its folder, and sees that nothing ran."""
    os.chdir(folder)
    try:
        reads(folder, draw)
    finally:
        assert not (folder / "canary").exists(), "a file ran code"
        os.chdir("/")


def everything(data: Dataset) -> None:
    """Takes every example of a data set."""
    for split in data.splits.values():
        for number in range(split.size):
            for values in split.fields.values():
                assert np.asarray(values[number]).dtype.kind in "uif"


def make_idx(folder: Path) -> None:
    for part, count in (("train", 3), ("t10k", 2)):
        images = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28)) + bytes(784 * count)
        labels = bytes([0, 0, 8, 1]) + count.to_bytes(4, "big") + bytes(range(count))
        for name, data in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            packed = part == "t10k"
            (folder / (name + ".gz" * packed)).write_bytes(forged.gzipped(data) if packed else data)


def make_cifar(folder: Path) -> None:
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        (folder / f"{name}.bin").write_bytes((b"\3" + bytes(3072)) * 2)


def make_arrays(folder: Path) -> None:
    image = np.arange(96, dtype=np.float32).reshape(6, 4, 4, 1)
    np.savez(folder / "train.npz", image=image, label=np.arange(6), name=np.arange(6.0))
    np.savez_compressed(folder / "test.npz", image=image, label=np.arange(6))
    np.save(folder / "test.npy", image)


def make_numbers(folder: Path) -> None:
    rows = "\n".join(f"{n % 3},{n / 7:.3f},{n * 1e3},-{n}" for n in range(12))
    for split in SPLITS:
        (folder / f"{split}.csv").write_text(f"label,a,b,c\n{rows}\n")


def make_pictures(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for split in SPLITS:
        for number, ending in enumerate(("png", "jpg", "gif", "bmp", "webp")):
            path = folder / split / f"class{number % 2}" / f"{number}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(0, 255, (5 + number, 6, 3), np.uint8)).save(path)


def make_named(folder: Path) -> None:
    make_pictures(folder)
    names = sorted(p.relative_to(folder) for p in (folder / "train").rglob("*.*"))
    (folder / "train.csv").write_text("file,label\n" + "".join(f"{name},{n % 2}\n" for n, name in enumerate(names)))


def make_records(folder: Path) -> None:
    shutil.copytree(TESTS / "data" / "tf", folder, dirs_exist_ok=True)


def make_weights(folder: Path) -> None:
    arrays = {"conv1/weights": np.ones((3, 3, 2, 4), np.float32), "fc/biases": np.arange(4.0), "step": np.array(7)}
    write_weights(folder / "w.npz", arrays)
    write_weights(folder / "w.safetensors", arrays, {"image": [8, 8, 1], "classes": 4})


def make_run(folder: Path) -> None:
    run = RunDir(folder)
    run.config.write_text("seed: 1\n")
    for step in (1, 2, 3):
        arrays = {
            "parameters/fc/weights": np.full((4, 3), step, np.float32),
            "statistics/m": np.ones(3),
            "step": np.array(step),
        }
        path = checkpoint.save(run, step, arrays, {"threads": 2})
        metrics.append(run, {"step": step, "train/loss": 0.5, "grad": [float("nan"), 1.0]})
    checkpoint.point(run, "last", path)
    checkpoint.point(run, "best", path)
    run.data.write_text('{"image": [8, 8, 1], "classes": 4, "preprocess": []}\n')


def make_tensorflow(folder: Path) -> None:
    shutil.copytree(TESTS / "store" / "tensorflow" / "files", folder, dirs_exist_ok=True)


def read_arrays(folder: Path, draw: random.Random) -> None:
    test = folder / draw.choice(["test.npz", "test.npy"])
    everything(sources.arrays(train=folder / "train.npz", test=test))


def read_pictures(folder: Path, draw: random.Random) -> None:
    everything(sources.image_folder(path=folder, channels=draw.choice([1, 3]), on_error=draw.choice(["fail", "skip"])))


def read_named(folder: Path, draw: random.Random) -> None:
    everything(sources.csv(train=folder / "train.csv", file="file", on_error=draw.choice(["fail", "skip"])))


def read_records(folder: Path, draw: random.Random) -> None:
    how = {
        "check_crc": draw.random() < 0.5,
        "on_error": draw.choice(["fail", "skip"]),
        "labels_offset": draw.choice([0, 0, 1]),
    }
    everything(sources.tfrecord(path=folder, **how))


def read_weight_files(folder: Path, draw: random.Random) -> None:
    read_facts(folder / "w.safetensors")
    read_weights(folder / "w.safetensors")
    weights_from(folder / "w.npz")


def read_run(folder: Path, draw: random.Random) -> None:
    """What a resume, an evaluation and a warm start read, in an order that differs."""
    run = open_run(folder)
    parts: list[Callable[[], object]] = [
        lambda: resume_point(run, ""),
        lambda: weights_from(folder, "best"),
        lambda: weights_from(folder),
        lambda: checkpoint.load(checkpoint.find(run, "2")),
        lambda: metrics.read(run),
        lambda: metrics.truncate_after(run, 2),
        lambda: metrics.append(run, {"step": 4}),
        lambda: read_json(run.data),
        lambda: checkpoint.recover(run),
        lambda: checkpoint.drop_after(run, 2),
        lambda: checkpoint.prune(run, 1),
    ]
    draw.shuffle(parts)
    for part in parts:
        part()


def read_tensorflow(folder: Path, draw: random.Random) -> None:
    for one in sorted(folder.iterdir()):
        found = open_checkpoint(one)
        numbers = [name for name, tensor in found.tensors.items() if tensor.dtype]
        assert all(array.dtype.kind in "uifb" for _, array in found.read(numbers))


def read_numbers(folder: Path, draw: random.Random) -> None:
    everything(sources.csv(train=folder / "train.csv", test=folder / "test.csv", shape=draw.choice([None, (3, 1)])))


KINDS: Mapping[str, tuple[Makes, Reads]] = {
    "IDX": (make_idx, lambda folder, draw: everything(sources.mnist(path=folder))),
    "CIFAR": (make_cifar, lambda folder, draw: everything(sources.cifar10(path=folder))),
    "NPZ and NPY": (make_arrays, read_arrays),
    "CSV": (make_numbers, read_numbers),
    "images in folders": (make_pictures, read_pictures),
    "images named in CSV": (make_named, read_named),
    "TFRecord": (make_records, read_records),
    "weights": (make_weights, read_weight_files),
    "run": (make_run, read_run),
    "TensorFlow's checkpoints": (make_tensorflow, read_tensorflow),
}
"""What makes a whole set of files, and what reads it, by the kind."""
