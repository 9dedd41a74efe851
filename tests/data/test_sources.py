import gzip
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slimtrain.config.catalog import Catalog
from slimtrain.data import sources
from slimtrain.data.records import Dataset
from slimtrain.data.sources import cifar10, cifar100, digits, fashion_mnist, mnist
from slimtrain.errors import DataError

IDX_FILES = [f"{s}-{w}-ubyte" for s in ("train", "t10k") for w in ("images-idx3", "labels-idx1")]


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, pack: Callable[[bytes], bytes] = bytes, rename: Callable[[str], str] = str) -> None:
    draw = np.random.default_rng(0)
    for name, size in zip(IDX_FILES, (5, 5, 2, 2), strict=True):
        shape = (size, 28, 28) if "images" in name else (size,)
        array = draw.integers(0, 10, shape, dtype=np.uint8)
        (folder / rename(name)).write_bytes(pack(idx(array)))


def write_cifar(folder: Path, names: list[str], labels: list[list[int]]) -> None:
    folder.mkdir(exist_ok=True)
    for n, name in enumerate(names):
        pixels = [bytes([n]) * 3072] * len(labels)
        (folder / name).write_bytes(b"".join(bytes(a) + p for a, p in zip(labels, pixels, strict=True)))


def sizes(dataset: Dataset) -> dict[str, int]:
    return {name: split.size for name, split in dataset.splits.items()}


CIFAR10_FILES = [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
CIFAR100_FILES = ["train.bin", "test.bin"]


def test_digits() -> None:
    dataset = digits()
    assert sizes(dataset) == {"train": 1437, "test": 360} and dataset.classes == 10
    images, labels = dataset.splits["train"].fields["image"], dataset.splits["train"].fields["label"]
    assert images.shape[1:] == (8, 8, 1) and images.dtype == np.float32
    assert (images.min(), images.max()) == (0, 1)
    assert labels.dtype == np.int32 and labels[:10].tolist() == list(range(10))
    np.testing.assert_array_equal(images[0, 0, :, 0] * 16, [0, 0, 5, 13, 9, 1, 0, 0])
    assert "10.24432/C50P49" in sources.DIGITS.with_name("LICENSE.md").read_text()


@pytest.mark.parametrize(
    ("pack", "rename"),
    [
        (bytes, str),
        (gzip.compress, lambda name: f"{name}.gz"),
        (bytes, lambda name: name.replace("-idx", ".idx")),
        (gzip.compress, lambda name: name.replace("-idx", ".idx") + ".gz"),
    ],
)
@pytest.mark.parametrize("source", [mnist, fashion_mnist])
def test_mnist_under_all_its_names(
    tmp_path: Path,
    source: Callable[..., Dataset],
    pack: Callable[[bytes], bytes],
    rename: Callable[[str], str],
) -> None:
    write_idx(tmp_path, pack, rename)
    dataset = source(path=tmp_path)
    assert sizes(dataset) == {"train": 5, "test": 2} and dataset.classes == 10
    fields = dataset.splits["train"].fields
    assert fields["image"].shape == (5, 28, 28, 1) and fields["image"].dtype == np.uint8
    assert fields["label"].dtype == np.int32


def test_mnist_refuses_labels_out_of_range_and_other_counts(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / IDX_FILES[3]).write_bytes(idx(np.array([9, 10], np.uint8)))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: label 10 of example 1 is not in 0\.\.9; "):
        mnist(path=tmp_path)
    (tmp_path / IDX_FILES[3]).write_bytes(idx(np.array([9], np.uint8)))
    with pytest.raises(DataError, match="holds 2 images, but 't10k-labels-idx1-ubyte' holds 1 labels; "):
        mnist(path=tmp_path)


def test_a_missing_folder_or_file_names_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: is no folder; 'path' should be .*" + ", ".join(IDX_FILES)):
        mnist(path=tmp_path / "gone")
    write_idx(tmp_path)
    (tmp_path / IDX_FILES[0]).unlink()
    (tmp_path / IDX_FILES[2]).unlink()
    with pytest.raises(DataError, match=f"has no {IDX_FILES[0]}, {IDX_FILES[2]}; "):
        mnist(path=tmp_path)


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
def test_cifar10(tmp_path: Path, inside: str) -> None:
    write_cifar(tmp_path / inside, CIFAR10_FILES, [[3], [9]])
    dataset = cifar10(path=tmp_path)
    assert sizes(dataset) == {"train": 10, "test": 2} and dataset.classes == 10
    fields = dataset.splits["train"].fields
    assert fields["image"].shape == (10, 32, 32, 3) and fields["image"].dtype == np.uint8
    assert fields["image"][:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert fields["label"].tolist() == [3, 9] * 5 and fields["label"].dtype == np.int32


@pytest.mark.parametrize("inside", ["", "cifar-100-binary"])
def test_cifar100_has_two_kinds_of_labels(tmp_path: Path, inside: str) -> None:
    write_cifar(tmp_path / inside, CIFAR100_FILES, [[19, 99], [0, 5]])
    fine, coarse = cifar100(path=tmp_path), cifar100(path=tmp_path, labels="coarse")
    assert (fine.classes, coarse.classes) == (100, 20)
    assert fine.splits["test"].fields["label"].tolist() == [99, 5]
    assert coarse.splits["test"].fields["label"].tolist() == [19, 0]


def test_cifar_refuses_labels_out_of_range(tmp_path: Path) -> None:
    write_cifar(tmp_path, CIFAR10_FILES, [[3], [10]])
    with pytest.raises(DataError, match=r"data_batch_1.bin: label 10 of example 1 is not in 0\.\.9"):
        cifar10(path=tmp_path)
    write_cifar(tmp_path, CIFAR100_FILES, [[20, 3]])
    with pytest.raises(DataError, match=r"train.bin: label 20 of example 0 is not in 0\.\.19"):
        cifar100(path=tmp_path, labels="coarse")


NAMES = "arrays cifar10 cifar100 csv digits fashion_mnist image_folder mnist tfrecord".split()


def test_all_sources_are_documented() -> None:
    found = Catalog.of([sources]).kind("source")
    assert sorted(found) == NAMES
    assert all(p.doc for d in found.values() for p in d.parameters.values())


def test_facts_are_those_of_the_data() -> None:
    facts = Catalog.of([sources]).kind("source")["digits"].description.facts
    assert facts["shape"] == digits().splits["test"].fields["image"].shape[1:]
    assert facts["classes"] == digits().classes
    assert facts["examples"] == digits().splits["train"].size


def test_data_never_imports_jax() -> None:
    modules = "slimtrain.data.sources, slimtrain.data.batches, slimtrain.data.preprocess.pipeline"
    code = f"import sys, {modules}; raise SystemExit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
