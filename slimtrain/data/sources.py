"""The sources that a config can name: each reads its files whole, so that a batch is an index."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slimtrain.config.catalog import source
from slimtrain.config.values import FolderPath
from slimtrain.data.arrays import arrays as arrays
from slimtrain.data.folders import image_folder as image_folder
from slimtrain.data.formats.cifar import read_cifar
from slimtrain.data.formats.files import reading, refusal
from slimtrain.data.formats.idx import read_idx
from slimtrain.data.formats.npz import read_npz
from slimtrain.data.records import Dataset as Dataset
from slimtrain.data.records import Split as Split
from slimtrain.data.tables import csv as csv
from slimtrain.data.tfrecords import tfrecord as tfrecord

DIGITS = Path(__file__).parent / "digits" / "digits.npz"
DIGITS_TRAIN = 1437
DIGITS_MAX = 16


@source(shape=(8, 8, 1), classes=10, examples=1_437)
def digits() -> Dataset:
    """Gives the 1,797 handwritten digits of 8x8 pixels that ship with slimtrain, as float32 in 0..1.

    The first 1,437 are `train`; the last 360, by other writers, are `test`.

    Source: UCI "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, CC BY 4.0.
    """
    stored = read_npz(DIGITS)
    images, labels = stored["image"].astype(np.float32) / DIGITS_MAX, stored["label"].astype(np.int32)
    train, test = slice(None, DIGITS_TRAIN), slice(DIGITS_TRAIN, None)
    splits = {"train": train, "test": test}
    return Dataset({name: Split({"image": images[s], "label": labels[s]}) for name, s in splits.items()}, 10)


@source(shape=(28, 28, 1), classes=10, examples=60_000)
def mnist(*, path: FolderPath) -> Dataset:
    """Reads MNIST: 60,000 handwritten digits of 28x28 pixels to train, 10,000 to test, as unsigned bytes.

    Args:
        path: folder of the four IDX files, plain or `.gz`.

    Raises:
        DataError: a file is missing or damaged, or does not fit the others.

    Source: Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits".
    """
    return _idx_folder(path)


@source(shape=(28, 28, 1), classes=10, examples=60_000)
def fashion_mnist(*, path: FolderPath) -> Dataset:
    """Reads Fashion-MNIST: 60,000 clothes of 28x28 pixels to train, 10,000 to test, as unsigned bytes.

    Args:
        path: folder of the four IDX files, plain or `.gz`.

    Raises:
        DataError: a file is missing or damaged, or does not fit the others.

    Source: H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST", 2017, arXiv:1708.07747.
    """
    return _idx_folder(path)


@source(shape=(32, 32, 3), classes=10, examples=50_000)
def cifar10(*, path: FolderPath) -> Dataset:
    """Reads CIFAR-10: 50,000 photos of 32x32 pixels to train, 10,000 to test, as unsigned bytes.

    Args:
        path: folder of the binary version's six `.bin` files, or the one that holds `cifar-10-batches-bin`.

    Raises:
        DataError: a file is missing or damaged.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    names = [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    *train, test = _files(path, [(n, f"cifar-10-batches-bin/{n}") for n in names])
    return Dataset({"train": _cifar(train, 1, 0, 10), "test": _cifar([test], 1, 0, 10)}, 10)


@source(shape=(32, 32, 3), classes=100, examples=50_000)
def cifar100(*, path: FolderPath, labels: Literal["fine", "coarse"] = "fine") -> Dataset:
    """Reads CIFAR-100: 50,000 photos of 32x32 pixels to train, 10,000 to test, as unsigned bytes.

    Args:
        path: folder of the binary version's two `.bin` files, or the one that holds `cifar-100-binary`.
        labels: the 100 `fine` classes, or the 20 `coarse` ones.

    Raises:
        DataError: a file is missing or damaged.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    train, test = _files(path, [(n, f"cifar-100-binary/{n}") for n in ("train.bin", "test.bin")])
    column, classes = {"coarse": (0, 20), "fine": (1, 100)}[labels]
    splits = {"train": train, "test": test}
    return Dataset({name: _cifar([file], 2, column, classes) for name, file in splits.items()}, classes)


def _idx_folder(folder: Path) -> Dataset:
    parts = [f"{split}-{what}" for split in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]
    files = _files(folder, [_idx_names(part) for part in parts])
    return Dataset({"train": _idx_split(*files[:2]), "test": _idx_split(*files[2:])}, 10)


def _idx_names(part: str) -> tuple[str, ...]:
    plain = (f"{part}-ubyte", f"{part.replace('-idx', '.idx')}-ubyte")
    return plain + tuple(f"{name}.gz" for name in plain)


def _idx_split(image_file: Path, label_file: Path) -> Split:
    images, labels = read_idx(image_file, (28, 28)), read_idx(label_file, ())
    if len(images) != len(labels):
        what = f"holds {len(images)} images, but '{label_file.name}' holds {len(labels)} labels"
        raise refusal(image_file, what, "take both files from one download")
    return Split({"image": images[..., None], "label": _labels(label_file, labels, 10)})


def _cifar(files: Sequence[Path], label_bytes: int, column: int, classes: int) -> Split:
    read = [(file, *read_cifar(file, label_bytes)) for file in files]
    labels = [_labels(file, label[:, column], classes) for file, _, label in read]
    return Split({"image": np.concatenate([image for _, image, _ in read]), "label": np.concatenate(labels)})


def _labels(path: Path, labels: NDArray[np.uint8], classes: int) -> NDArray[np.int32]:
    if labels.max() >= classes:
        index = int(np.argmax(labels >= classes))
        what = f"label {labels[index]} of example {index} is not in 0..{classes - 1}"
        raise refusal(path, what, "download the file again, or check that it is of this data set")
    return labels.astype(np.int32)


def _files(folder: Path, wanted: Sequence[tuple[str, ...]]) -> list[Path]:
    """The first file among each tuple of alternative names; raises DataError naming all missing ones."""
    cure = "'path' should be the folder that holds " + ", ".join(names[0] for names in wanted)
    with reading(folder, cure):
        there = [[file for name in names if (file := folder / name).is_file()] for names in wanted]
        missing = [names[0] for names, files in zip(wanted, there, strict=True) if not files]
        if missing:
            what = f"has no {', '.join(missing)}" if folder.is_dir() else "is no folder"
            raise refusal(folder, what, cure)
    return [files[0] for files in there]
