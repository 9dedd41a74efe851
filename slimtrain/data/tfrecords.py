"""The source of TF-Slim's own data sets: TFRecord files of tf.train.Example."""

import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slimtrain.config.catalog import source
from slimtrain.config.values import FolderPath, Whole
from slimtrain.data.encoded import SPLITS, Channels, OnError, encoded_split, left_out
from slimtrain.data.formats.example import Value, parse_example
from slimtrain.data.formats.files import reading, refusal, size_of
from slimtrain.data.formats.pictures import decode, pillow
from slimtrain.data.formats.tfrecord import Place, read_record, records
from slimtrain.data.records import Dataset, Split
from slimtrain.errors import DataError, Problem
from slimtrain.wire.regular import small

NAME = re.compile(
    r"((?:.+[_-])?)(train|test|validation|val)((?:\.tfrecord|\.record)?)(?:[-_](\d+)-of-(\d+))?((?:\.tfrecord)?)"
)
LABELS = "labels.txt"
LONGEST_LABELS = 2**24
CURE = "'path' should be a folder of files such as flowers_train_00000-of-00005.tfrecord or train-00000-of-01024"
EXAMPLE_CURE = "write it with image/encoded, image/format and image/class/label, as TF-Slim's converters do"


@source()
def tfrecord(
    *,
    path: FolderPath,
    channels: Channels = 3,
    labels_offset: Whole = 0,
    check_crc: bool = False,
    on_error: OnError = "fail",
) -> Dataset:
    """Reads a data set as TF-Slim's converters write it: `flowers_train_00000-of-00005.tfrecord`.

    Opening it reads the files once, for the labels; images are decoded when they are wanted, as unsigned bytes of
    their own sizes. Records hold `image/encoded`, `image/format` (`jpeg`, `png` or `raw`), `image/class/label`; `raw`
    needs `image/height` and `image/width`. A file `labels.txt` of lines `id:name` tells the classes. Needs the extra
    `images`.

    Args:
        path: folder of the files; the split is in their names: `train`, and `test`, `validation` or `val`.
        channels: 3 for colour, 1 for gray.
        labels_offset: what is taken off each label: 1 leaves out ImageNet's background class.
        check_crc: compare each record that is read with its checksum; takes less than decoding it.
        on_error: `fail` stops at a record that cannot be read, when it is wanted; `skip` reads all of them once at
            the start, and leaves out and tells those that cannot be.

    Raises:
        DataError: files are missing or damaged, or hold other records.
        SlimtrainError: Pillow is not installed.

    Source: TF-Slim, `research/slim/datasets`.
    """
    pillow()
    names = _names(path / LABELS, labels_offset)
    splits, warnings = dict[str, Split](), tuple[Problem, ...]()
    for name, files in _files(path).items():
        listed, refused = _index(files, labels_offset, len(names), on_error)
        split = _Records(files, listed, channels, check_crc)
        splits[name], more = encoded_split(path, split.read, listed[:, 4].tolist(), on_error)
        warnings += left_out(path, refused, len(refused) + len(listed)) + more
    highest = max(int(split.fields["label"].max()) for split in splits.values())
    return Dataset(splits, len(names) or highest + 1, names, warnings)


@dataclass(frozen=True)
class _Records:
    """The records of a split: their files, and for each (file, number in it, offset, length, label)."""

    files: list[Path]
    entries: NDArray[np.int64]
    channels: int
    check: bool

    def read(self, number: int) -> NDArray[np.uint8]:
        """The image of a number."""
        file, nth, offset, length = map(int, self.entries[number, :4])
        path, which = self.files[file], f"record {nth}"
        data = read_record(path, Place(offset, length), self.check)
        with reading(path, EXAMPLE_CURE):
            example = parse_example(data)
            encoded = example["image/encoded"]
            if not isinstance(encoded, bytes):
                raise ValueError(f"image/encoded of {which} is no bytes")
            if example.get("image/format") in (b"raw", b"RAW"):
                return _raw(example, encoded, self.channels)
        return decode(encoded, self.channels, path, which)


def _raw(example: Mapping[str, Value], pixels: bytes, channels: int) -> NDArray[np.uint8]:
    height, width = example["image/height"], example["image/width"]
    return np.frombuffer(pixels, np.uint8).reshape(int(height), int(width), channels)


def _index(files: list[Path], offset: int, classes: int, on_error: OnError) -> tuple[NDArray[np.int64], list[Problem]]:
    """Every record, as _Records has them; and what is wrong with those that were left out."""
    entries = array("q")  # 40 bytes a record: there may be millions
    refused: list[Problem] = []
    for file, path in enumerate(files):
        for number, (place, data) in enumerate(records(path)):
            try:
                entries.extend((file, number, *place, _label(path, number, data, offset, classes)))
            except DataError as error:
                if on_error == "fail":
                    raise
                refused += error.problems
    return np.array(entries, np.int64).reshape(-1, 5), refused


def _label(path: Path, number: int, data: bytes, offset: int, classes: int) -> int:
    with reading(path, EXAMPLE_CURE):
        example = parse_example(data)
    label = example.get("image/class/label")
    if not isinstance(label, int) or not isinstance(example.get("image/encoded"), bytes):
        raise refusal(path, f"record {number} has no image/encoded or no image/class/label", EXAMPLE_CURE)
    if not 0 <= label - offset < (classes or 2**31):
        told = f"record {number} has the label {label}"
        known = f", but {LABELS} has {classes} classes" if classes else ""
        raise refusal(path, f"{told}{known}" + (f" and labels_offset is {offset}" if offset else ""), "correct either")
    return label - offset


def _names(path: Path, offset: int) -> tuple[str, ...]:
    """The classes' names by label, from lines `id:name`; none where there is no such file."""
    if not path.exists():
        return ()
    cure = "write a line 'id:name' for each class, ids from 0"
    if size_of(path, cure) > LONGEST_LABELS:
        raise refusal(path, "is too long for names of classes", cure)
    with reading(path, cure):
        lines = [line.partition(":") for line in small(path, LONGEST_LABELS).decode().splitlines() if line.strip()]
        names = {int(number): name.strip() for number, _, name in lines}
    if sorted(names) != list(range(offset, len(names) + offset)) and sorted(names) != list(range(len(names))):
        raise refusal(path, "does not number the classes 0, 1, 2, ...", cure)
    return tuple(names[number] for number in sorted(names) if number >= offset)


def _files(folder: Path) -> dict[str, list[Path]]:
    """The files of each split in order; a split `validation` or `val` is `test` where there is no other."""
    with reading(folder, CURE):
        there = {path: match for path in sorted(folder.iterdir()) if (match := NAME.fullmatch(path.name))}
    there = {path: match for path, match in there.items() if any(match.group(3, 4, 6))}
    if len(prefixes := sorted({match[1] for match in there.values()})) > 1:
        raise refusal(folder, f"holds several data sets: {', '.join(prefixes)}", "give each a folder of its own")
    found: dict[str, list[Path]] = {}
    for split, names in SPLITS.items():
        chosen = next((name for name in names if any(m[2] == name for m in there.values())), "")
        files = [path for path, match in there.items() if match[2] == chosen]
        if files:
            found[split] = files
            _check_whole(folder, files, [there[path] for path in files])
    if not found:
        raise refusal(folder, "holds no TFRecord files of a split", CURE)
    return found


def _check_whole(folder: Path, files: list[Path], matches: list[re.Match[str]]) -> None:
    """Raises DataError where shards are missing or of several numberings."""
    shards = [int(match[4] or 0) for match in matches]
    totals = {int(match[5] or 1) for match in matches}
    if totals != {len(shards)} or shards != list(range(len(shards))):
        told = f"has {len(files)} of {max(totals)} files like {files[0].name}"
        raise refusal(folder, told, "bring all shards of the split, and only those, into one folder")
