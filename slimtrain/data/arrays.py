"""The source of a user's own arrays: `.npz` and `.npy` files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.config.catalog import source
from slimtrain.config.values import FilePath
from slimtrain.data.formats.files import refusal
from slimtrain.data.formats.npz import read_npy, read_npz
from slimtrain.data.records import Dataset, Split, classes_of
from slimtrain.errors import DataError, Problem

IMAGE, LABEL, MASK = "image", "label", "mask"
CURE = "write the file again with numpy.savez, one array a field, examples along the first dimension"


@source()
def arrays(
    *, train: FilePath | None = None, test: FilePath | None = None, image: str = IMAGE, label: str = LABEL
) -> Dataset:
    """Reads arrays [N, ...] from `.npz` files (a field an array) or `.npy` files (images only).

    Unsigned bytes stay, other whole numbers become int32, other numbers float32; labels that are whole
    numbers become int32. Fields besides the image and the label are kept under their own names.

    Args:
        train: file of the examples to train on.
        test: file of the examples to evaluate on.
        image: name of the file's field that is the image.
        label: name of the file's field that is the label; a file without `label` has no labels.

    Raises:
        DataError: no file is given; one is missing, damaged, empty, or lacks a field; or the images of both
            differ in shape or type.
    """
    given = {name: path for name, path in (("train", train), ("test", test)) if path is not None}
    if not given:
        raise DataError(Problem("source arrays", "no file is given", "set 'train', 'test' or both"))
    splits = {name: _split(path, image, label) for name, path in given.items()}
    _check_same(given, splits)
    return Dataset(splits, classes_of(splits))


def _split(path: Path, image: str, label: str) -> Split:
    fields = _named(path, _read(path, image), image, label)
    _check_sizes(path, fields)
    return Split({name: _narrow(path, name, array) for name, array in fields.items()})


def _read(path: Path, image: str) -> dict[str, NDArray[Any]]:
    if _is_npy(path):
        return {image: read_npy(path)}
    if path.suffix.lower() == ".npz":
        return read_npz(path)
    raise refusal(path, f"ends with '{path.suffix}'", "give a .npz or .npy file")


def _is_npy(path: Path) -> bool:
    return path.suffix.lower() == ".npy"


def _named(path: Path, stored: Mapping[str, NDArray[Any]], image: str, label: str) -> dict[str, NDArray[Any]]:
    """The fields under slimtrain's names; a field that is in the way of `image` or `label` gives way."""
    wanted = [image] if label == LABEL or _is_npy(path) else [image, label]
    if missing := [name for name in wanted if name not in stored]:
        there = ", ".join(map(repr, stored)) or "nothing"
        cure = "set 'image' and 'label' to the names of the file's fields"
        raise refusal(path, f"has no field {missing[0]!r}; there is {there}", cure)
    names = {IMAGE: image} | ({LABEL: label} if label in stored and not _is_npy(path) else {})
    taken = {*names, *names.values(), LABEL}
    others = {name: array for name, array in stored.items() if name not in taken}
    if MASK in others:
        raise refusal(path, f"has a field '{MASK}', a name that batches use themselves", "rename the field")
    return {new: stored[old] for new, old in names.items()} | others


def _check_sizes(path: Path, fields: Mapping[str, NDArray[Any]]) -> None:
    shapes = {name: array.shape for name, array in fields.items()}
    listed = ", ".join(f"'{name}' {list(shape)}" for name, shape in shapes.items())
    if not all(all(shape) and shape for shape in shapes.values()):
        raise refusal(path, f"a field is empty: {listed}", CURE)
    if len({shape[0] for shape in shapes.values()}) > 1:
        raise refusal(path, f"fields differ in their number of examples: {listed}", CURE)


def _narrow(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array in a type that devices take; raises DataError where a value does not fit."""
    if array.dtype == np.uint8 and name != LABEL:
        return np.ascontiguousarray(array)
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "b" and name == LABEL)
    if whole and not -(2**31) <= int(array.min()) <= int(array.max()) < 2**31:
        raise refusal(path, f"'{name}' holds whole numbers that do not fit 32 bits", CURE)
    try:
        with np.errstate(over="raise", invalid="ignore"):
            return np.ascontiguousarray(array, np.int32 if whole else np.float32)
    except FloatingPointError:
        raise refusal(path, f"'{name}' holds numbers beyond the range of float32", CURE) from None


def _check_same(given: Mapping[str, Path], splits: Mapping[str, Split]) -> None:
    images = {name: split.fields[IMAGE] for name, split in splits.items()}
    if len({(array.shape[1:], array.dtype) for array in images.values()}) > 1:
        kinds = [f"{list(array.shape[1:])} {array.dtype} in {name}" for name, array in images.items()]
        raise refusal(given["test"], f"an image is {' but '.join(kinds)}", "write both files alike")
