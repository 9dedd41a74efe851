import gzip
import random
import struct
from pathlib import Path

import pytest

from slimtrain.data.formats.tfrecord import MOST_BYTES, Place, read_record, records
from slimtrain.errors import DataError
from slimtrain.wire.crc32c import masked_crc32c

TF = Path(__file__).parents[1] / "tf"
FILE = TF / "flowers_train_00000-of-00002.tfrecord"


def framed(data: bytes, length: int | None = None) -> bytes:
    head = struct.pack("<Q", len(data) if length is None else length)
    return head + struct.pack("<I", masked_crc32c(head)) + data + struct.pack("<I", masked_crc32c(data))


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "data.tfrecord"
    path.write_bytes(content)
    return path


def test_the_records_of_a_file_by_tensorflow() -> None:
    listed = list(records(FILE))
    assert len(listed) == 4 and all(b"image/encoded" in data for _, data in listed)
    assert [read_record(FILE, place, check=True) for place, _ in listed] == [data for _, data in listed]


def test_records_of_any_length(tmp_path: Path) -> None:
    held = [b"", b"a", random.Random(0).randbytes(10_000)]
    path = write(tmp_path, b"".join(map(framed, held)))
    assert [data for _, data in records(path)] == held
    assert [read_record(path, place, check=True) for place, _ in records(path)] == held
    assert list(records(write(tmp_path, b""))) == []


@pytest.mark.parametrize(
    "content, what",
    [
        (framed(b"abc")[:-1], "is truncated in the record at byte 0: it has 3 bytes"),
        (framed(b"abc") + b"more", "is truncated in the record at byte 19"),
        (framed(b"abc") + bytes(20), "no record starts at byte 19"),
        (b"\x89PNG" + bytes(20), "is damaged, or no TFRecord file: no record starts at byte 0"),
        (framed(b"", 2**63), "is truncated in the record at byte 0: it has 9223372036854775808 bytes"),
        (gzip.compress(framed(b"abc"), mtime=0), r"is compressed \(gzip\); unpack it"),
    ],
)
def test_what_is_no_tfrecord_file_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=what) as caught:
        list(records(path))
    assert caught.value.problems[0].where == str(path) and caught.value.problems[0].hint


def test_a_record_that_is_too_long_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, framed(b"", MOST_BYTES + 1))
    with path.open("r+b") as stream:
        stream.truncate(MOST_BYTES + 100)  # a hole: no bytes on the disk
    with pytest.raises(DataError, match="has a record of 1073741825 bytes at byte 0"):
        next(records(path))


def test_checksums_of_data_are_compared_where_that_is_asked_for(tmp_path: Path) -> None:
    content = bytearray(framed(b"abc"))
    content[13] ^= 1
    path = write(tmp_path, bytes(content))
    (place, data), *_ = records(path)
    assert data == read_record(path, place) == b"acc"
    with pytest.raises(DataError, match="the record at byte 12 differs from its checksum"):
        read_record(path, place, check=True)
    with pytest.raises(DataError, match="is truncated in the record at byte 900"):
        read_record(path, Place(900, 5))


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    draw, whole = random.Random(0), FILE.read_bytes()
    for _ in range(1000):
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(len(whole))])] or b"x")
        for _ in range(draw.randrange(1, 5)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        try:
            list(records(write(tmp_path, bytes(content))))
        except DataError:
            pass
