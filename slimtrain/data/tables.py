"""The source of tables: `.csv` files of numbers, or of the names of image files."""

from collections.abc import Iterator, Mapping, Sequence
from csv import reader
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import zip_longest
from math import prod
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from slimtrain.config.catalog import source
from slimtrain.config.values import FilePath, Shape
from slimtrain.data.encoded import Channels, OnError, encoded_split
from slimtrain.data.formats.files import reading, refusal, size_of
from slimtrain.data.formats.pictures import decode_file, pillow
from slimtrain.data.records import Dataset, Split, classes_of
from slimtrain.errors import DataError, Problem, did_you_mean
from slimtrain.wire.regular import opened

MOST_BYTES, LONGEST_LINE = 2**32, 2**24
FLOAT32 = float(np.finfo(np.float32).max)
CURE = "write a first line of column names, then as many values a line, separated by commas"


@source()
def csv(
    *,
    train: FilePath | None = None,
    test: FilePath | None = None,
    label: str = "label",
    file: str | None = None,
    shape: Shape | None = None,
    channels: Channels = 3,
    on_error: OnError = "fail",
) -> Dataset:
    """Reads `.csv` files whose first line names the columns: a label, and numbers or the name of an image file.

    All columns besides the label make up the image, as float32 in their order. With `file` the images are the files
    that this column names, read when they are wanted (needs the extra `images`), and other columns are not read.
    Labels that are whole numbers become int32, other numbers float32; words become classes, in the order of the
    alphabet.

    Args:
        train: file of the examples to train on.
        test: file of the examples to evaluate on.
        label: name of the column of labels; a file without `label` has no labels.
        file: name of a column of image files, relative to the `.csv` file.
        shape: what the numbers of an example are shaped to, `[28, 28, 1]` say; a vector where omitted.
        channels: 3 for colour, 1 for gray; for `file`.
        on_error: for `file`: `fail` stops at an image that cannot be read, when it is wanted; `skip` reads all of
            them once at the start, and leaves out and tells those that cannot be.

    Raises:
        DataError: no file is given; one is missing or damaged, lacks a column, or holds what is no number.
        SlimtrainError: `file` is given and Pillow is not installed.
    """
    given = {name: path for name, path in (("train", train), ("test", test)) if path is not None}
    if not given:
        raise DataError(Problem("source csv", "no file is given", "set 'train', 'test' or both"))
    tables = {name: _read(path) for name, path in given.items()}
    if file is None:
        _check_same(list(tables.values()), label)
    names = _class_names(tables, label)
    splits, warnings = dict[str, Split](), tuple[Problem, ...]()
    for name, table in tables.items():
        labels = _labels(table, label, names)
        if file is None:
            splits[name] = Split({"image": _numbers(table, label, shape)} | labels)
        else:
            splits[name], said = _pictures(table, file, labels, channels, on_error)
            warnings += said
    return Dataset(splits, len(names) or classes_of(splits), names, warnings)


@dataclass(frozen=True)
class _Table:
    path: Path
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def need(self, name: str) -> str:
        """The column's name; raises DataError where there is none such."""
        if name not in self.columns:
            raise refusal(self.path, f"has no column {name!r}", did_you_mean(name, self.columns) or CURE)
        return name

    def column(self, name: str) -> list[str]:
        """The values of a column."""
        place = self.columns.index(self.need(name))
        return [row[place] for row in self.rows]


@dataclass(frozen=True)
class _Named:
    """Images whose files a column names."""

    table: _Table
    column: int
    channels: int

    def read(self, number: int) -> NDArray[np.uint8]:
        """The image of a row."""
        return decode_file(self.table.path.parent / self.table.rows[number][self.column], self.channels)


def _pictures(
    table: _Table, file: str, labels: Mapping[str, NDArray[Any]], channels: int, on_error: OnError
) -> tuple[Split, tuple[Problem, ...]]:
    """The images that a column names with their labels, and a warning of those that were left out."""
    pillow()
    files = _Named(table, table.columns.index(table.need(file)), channels)
    split, warnings = encoded_split(table.path, files.read, range(len(table.rows)), on_error)
    kept = split.fields["label"]
    return Split({"image": split.fields["image"]} | {n: array[kept] for n, array in labels.items()}), warnings


def _lines(path: Path, stream: TextIO) -> Iterator[str]:
    """The lines of a file; raises DataError for one that is longer than any row should be."""
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise refusal(path, f"has a line of more than {LONGEST_LINE} characters", CURE)
        yield line


def _read(path: Path) -> _Table:
    if size_of(path, CURE) > MOST_BYTES:
        raise refusal(
            path, f"has more than {MOST_BYTES} bytes", "write the numbers as a .npz file, for the source 'arrays'"
        )
    with reading(path, CURE), TextIOWrapper(opened(path), "utf-8-sig", newline="") as stream:
        lines = reader(_lines(path, stream), strict=True)
        columns = [name.strip() for name in next(lines, [])]
        rows = [row for row in lines if row]
    if not rows or len(set(columns)) < len(columns):
        raise refusal(path, "names a column twice" if rows else "holds no examples", CURE)
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            told = f"row {number + 1} has {len(row)} values for {len(columns)} columns"
            raise refusal(path, told, CURE)
    return _Table(path, columns, rows)


def _numbers(table: _Table, label: str, shape: Shape | None) -> NDArray[np.float32]:
    """The columns besides the label as [N, columns], or in the shape that is asked for."""
    places = [place for place, name in enumerate(table.columns) if name != label]
    wanted = shape or (max(len(places), 1),)
    if prod(wanted) != len(places):
        told = f"has {len(places)} columns besides the label, images of shape {list(wanted)} need {prod(wanted)}"
        raise refusal(table.path, told, "set 'shape' to fit the columns")
    found = np.empty((len(table.rows), len(places)), np.float32)
    for number, row in enumerate(table.rows):
        found[number] = [_number(table, number, row[place]) for place in places]
    return found.reshape(len(found), *wanted)


def _number(table: _Table, row: int, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise refusal(table.path, f"row {row + 1} holds {word[:60]!r}, which is no number", "correct it") from None
    if abs(number) > FLOAT32 and abs(number) != float("inf"):
        raise refusal(table.path, f"row {row + 1} holds {word[:60]}, beyond the range of float32", "correct it")
    return number


def _check_same(tables: Sequence[_Table], label: str) -> None:
    """Raises DataError where the columns that make up images are not the same in all tables."""
    first, *others = [[name for name in table.columns if name != label] for table in tables]
    for table, columns in zip(tables[1:], others, strict=True):
        if columns != first:
            pairs = zip_longest(columns, first, fillvalue="nothing")
            here, there = next((a, b) for a, b in pairs if a != b)
            told = f"has {here!r} where the columns to train on have {there!r}"
            raise refusal(table.path, told, "write both files with the same columns in the same order")


def _class_names(tables: Mapping[str, _Table], label: str) -> tuple[str, ...]:
    """The classes where labels are words, those to train on; none where all labels are numbers."""
    columns = [table.column(label) for table in tables.values() if label != "label" or label in table.columns]
    words = {word.strip() for word in columns[0]} if columns else set[str]()
    return () if all(map(_is_number, words)) else tuple(sorted(words))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _labels(table: _Table, label: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The field `label` of a table, if it has one."""
    if label == "label" and label not in table.columns:
        return {}
    words = [word.strip() for word in table.column(label)]
    if names:
        if unknown := sorted(set(words) - set(names)):
            told = f"has the label {unknown[0]!r}, which is not among those to train on"
            raise refusal(table.path, told, "give both files the same classes")
        numbers = {name: number for number, name in enumerate(names)}
        return {"label": np.array([numbers[word] for word in words], np.int32)}
    found = np.array([_number(table, row, word) for row, word in enumerate(words)])
    if not np.isfinite(found).all():
        row = int(np.argmin(np.isfinite(found)))
        raise refusal(table.path, f"row {row + 1} holds {words[row]!r} as a label", "correct it")
    whole = bool(np.all(found == np.floor(found)) and np.abs(found).max() < 2**31)
    return {"label": found.astype(np.int32 if whole else np.float32)}
