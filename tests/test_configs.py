"""Every recipe that ships: its first lines, its check, and two steps of training on data of its kind. The nets under
configs/nets/ are tests/test_zoo.py's."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from slimtrain.cli import main
from slimtrain.config.document import Document
from slimtrain.jobs.target import load

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(p for p in (ROOT / "configs").rglob("*.yaml") if p.parent.name != "nets")
TEMPLATES = sorted((ROOT / "slimtrain" / "templates").glob("*.yaml"))
SIZES = {"train": 16, "test": 6}


def cli(*words):
    """The command line, in this process."""
    return CliRunner().invoke(main, [str(w) for w in words], prog_name="slimtrain")


def idx(array: np.ndarray) -> bytes:
    """An array of bytes as an IDX file."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_files(folder: Path, document: Document) -> dict[str, Path]:
    """The four files of MNIST and its kin."""
    draw = np.random.default_rng(0)
    for split, size in (("train", SIZES["train"]), ("t10k", SIZES["test"])):
        images = draw.integers(0, 256, (size, 28, 28), np.uint8)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.arange(size, dtype=np.uint8) % 10))
    return {"path": folder}


def cifar_files(folder: Path, document: Document) -> dict[str, Path]:
    """The files of CIFAR-10 and CIFAR-100, whichever the config reads."""
    fine = document.source.name == "cifar100"
    names = ["train", "test"] if fine else [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    draw = np.random.default_rng(0)
    for name in names:
        records = draw.integers(0, 10, (SIZES["test"], 3072 + 1 + fine), np.uint8)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return {"path": folder}


def array_files(folder: Path, document: Document) -> dict[str, Path]:
    """The files of `arrays`, images of the shape that the config states."""
    shape = document.plan.input_shape
    draw = np.random.default_rng(0)
    for name, size in SIZES.items():
        np.savez(folder / name, image=draw.normal(size=(size, *shape)).astype("f"), label=np.zeros(size, np.int64))
    return {name: folder / f"{name}.npz" for name in SIZES}


def image_files(folder: Path, document: Document) -> dict[str, Path]:
    """Folders of photos of many sizes, two classes of them."""
    draw = np.random.default_rng(0)
    for split, size in SIZES.items():
        for number in range(size):
            place = folder / split / "ab"[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            pixels = draw.integers(0, 256, (90 + number, 120, 3), np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.jpg")
    return {"path": folder}


def tf_records(folder: Path, document: Document) -> dict[str, Path]:
    """Records that TensorFlow wrote."""
    return {"path": ROOT / "tests/data/tf", "labels_offset": 0}


FILES = {
    "digits": lambda folder, document: {},
    "mnist": idx_files,
    "fashion_mnist": idx_files,
    "cifar10": cifar_files,
    "cifar100": cifar_files,
    "arrays": array_files,
    "image_folder": image_files,
    "tfrecord": tf_records,
}


@pytest.mark.parametrize("path", [*CONFIGS, *TEMPLATES], ids=lambda p: p.stem)
def test_a_config_opens_with_its_command_and_passes_the_check(path):
    head = path.read_text().split("\n\n", 1)[0].splitlines()
    comment = [line for line in head if line.startswith("#")]
    assert head[0] in comment
    name = "THIS_FILE" if path in TEMPLATES else path.relative_to(ROOT)
    assert any(f"slimtrain fit {name}" in line for line in comment), comment
    done = cli("check", "--fast", path)
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{path}: no problems\n", "")


@pytest.mark.parametrize("path", [*CONFIGS, *TEMPLATES], ids=lambda p: p.stem)
def test_a_config_trains_two_steps(path, tmp_path):
    document = load(path)
    words = [f"data.{n}={v}" for n, v in FILES[document.source.name](tmp_path, document).items()]
    words += ["~train.epochs"] if document.train.epochs else []
    words += ["params.size=64"] if "size" in document.sections["params"] else []
    words += ["data.batch_size=4", "train.steps=2", "train.log_every=1"]
    done = cli("fit", path, "--run-dir", tmp_path / "run", "--json", *words)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] == 2 and np.isfinite(list(told["metrics"].values())).all()
