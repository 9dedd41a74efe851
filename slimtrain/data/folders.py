"""The source of images in folders, one folder a class."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slimtrain.config.catalog import source
from slimtrain.config.values import FolderPath
from slimtrain.data.encoded import SPLITS, Channels, OnError, encoded_split
from slimtrain.data.formats.files import reading, refusal
from slimtrain.data.formats.pictures import decode_file, pillow
from slimtrain.data.records import Dataset
from slimtrain.errors import DataError, Problem

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
CURE = "it should hold a folder for each class, with the class's images inside"


@source()
def image_folder(
    *,
    path: FolderPath | None = None,
    train: FolderPath | None = None,
    test: FolderPath | None = None,
    channels: Channels = 3,
    on_error: OnError = "fail",
) -> Dataset:
    """Reads JPEG, PNG, BMP, GIF and WebP images from folders, one a class: `train/daisy/1.jpg`.

    Labels are the places of the class folders' names in their order; deeper folders belong to their class. Images
    are unsigned bytes of the files' own sizes and are read when they are wanted. Needs the extra `images`.

    Args:
        path: folder that holds `train` and `test` (or `validation` or `val`).
        train: folder of the class folders to train on, instead of the one in `path`.
        test: folder of the class folders to evaluate on, instead of the one in `path`.
        channels: 3 for colour, 1 for gray.
        on_error: `fail` stops at an image that cannot be read, when it is wanted; `skip` reads all of them once at
            the start, and leaves out and tells those that cannot be.

    Raises:
        DataError: no folder is given; one is missing or holds no images; `test` has a class that `train` lacks.
        SlimtrainError: Pillow is not installed.
    """
    pillow()
    folders = _folders(path, {"train": train, "test": test})
    classes = {name: _classes(folder) for name, folder in folders.items()}
    names = classes[next(iter(folders))]
    splits, warnings = {}, tuple[Problem, ...]()
    for name, folder in folders.items():
        if unknown := sorted(set(classes[name]) - set(names)):
            told = f"has the class {unknown[0]!r}, which is not among those to train on"
            raise refusal(folder, told, "give both folders the same classes")
        files = _Files(folder, *_listed(folder, classes[name], names), channels)
        splits[name], said = encoded_split(folder, files.read, files.labels, on_error)
        warnings += said
    return Dataset(splits, len(names), tuple(names), warnings)


@dataclass(frozen=True)
class _Files:
    """The images of a split: paths under a folder, and their labels."""

    folder: Path
    files: Sequence[str]
    labels: Sequence[int]
    channels: int

    def read(self, number: int) -> NDArray[np.uint8]:
        """The image of a number."""
        return decode_file(self.folder / self.files[number], self.channels)


def _folders(path: Path | None, given: Mapping[str, Path | None]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for split, named in given.items():
        inside = [path / name for name in SPLITS[split] if (path / name).is_dir()] if path else []
        if named is not None or inside:
            found[split] = named or inside[0]
    if found:
        return found
    if path is None:
        raise DataError(Problem("source image_folder", "no folder is given", "set 'path', or 'train' and 'test'"))
    told = "has no folder 'train' or 'test'" if path.is_dir() else "is no folder"
    raise refusal(path, told, "if it holds the class folders themselves, write 'train: PATH' instead of 'path'")


def _classes(folder: Path) -> list[str]:
    with reading(folder, CURE):
        found = sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))
    if not found:
        raise refusal(folder, "holds no class folders", CURE)
    return found


def _listed(folder: Path, classes: Sequence[str], names: Sequence[str]) -> tuple[list[str], list[int]]:
    """The images' paths under the folder, sorted within each class, and their labels."""
    files: list[str] = []
    labels: list[int] = []
    for name in classes:
        found = sorted(os.path.relpath(file, folder) for file in _images(folder / name))
        files += found
        labels += [names.index(name)] * len(found)
    if not files:
        raise refusal(folder, f"holds no images ({', '.join(ENDINGS)})", CURE)
    return files, labels


def _images(folder: Path) -> list[str]:
    return [
        os.path.join(inner, name)
        for inner, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(ENDINGS) and not name.startswith(".")
    ]
