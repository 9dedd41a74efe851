"""TFRecord files: records of bytes, each with its length and checksums, one after the other.

A record is its length (8 bytes), the masked CRC-32C of that (4), the data, the masked CRC-32C of that (4).

Source: TensorFlow, `lib/io/record_writer`.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from slimtrain.data.formats.files import reading, refusal, size_of
from slimtrain.wire.crc32c import masked_crc32c
from slimtrain.wire.regular import opened

HEADER, FOOTER = 12, 4
COMPRESSED = {b"\x1f\x8b": "gzip", b"\x78\x01": "zlib", b"\x78\x9c": "zlib", b"\x78\xda": "zlib"}
MOST_BYTES = 2**30
CURE = "write or download the file again"


class Place(NamedTuple):
    """Where a record's data lies in its file."""

    offset: int
    length: int


def records(path: Path) -> Iterator[tuple[Place, bytes]]:
    """All records of a file in order, each with its place; the checksums of lengths are checked, those of data are not.

    Raises:
        DataError: the file is missing, truncated, or not a TFRecord file.
    """
    size, end = size_of(path, CURE), 0
    with reading(path, CURE), opened(path) as stream:
        while end < size:
            place = _place(path, stream, end, size)
            yield place, stream.read(place.length)
            end = place.offset + place.length + FOOTER
            stream.seek(end)


def read_record(path: Path, place: Place, check: bool = False) -> bytes:
    """The data of a record; `check` compares it with its checksum.

    Raises:
        DataError: the file is not as it was when its records were listed, or the checksum differs.
    """
    with reading(path, CURE), opened(path) as stream:
        stream.seek(place.offset)
        data = stream.read(place.length + FOOTER)
    if len(data) != place.length + FOOTER:
        raise refusal(path, f"is truncated in the record at byte {place.offset}", CURE)
    data, stored = data[: place.length], data[place.length :]
    if check and masked_crc32c(data) != struct.unpack("<I", stored)[0]:
        raise refusal(path, f"is damaged: the record at byte {place.offset} differs from its checksum", CURE)
    return data


def _place(path: Path, stream: BinaryIO, start: int, size: int) -> Place:
    header = stream.read(HEADER)
    if len(header) < HEADER:
        raise refusal(path, f"is truncated in the record at byte {start}", CURE)
    length, crc = struct.unpack("<QI", header)
    if masked_crc32c(header[:8]) != crc:
        raise _no_record(path, header, start)
    if start + HEADER + length + FOOTER > size:
        raise refusal(path, f"is truncated in the record at byte {start}: it has {length} bytes", CURE)
    if length > MOST_BYTES:
        raise refusal(path, f"has a record of {length} bytes at byte {start}", f"at most {MOST_BYTES} are read")
    return Place(start + HEADER, length)


def _no_record(path: Path, header: bytes, start: int) -> Exception:
    packed = COMPRESSED.get(header[:2]) if start == 0 else None
    if packed:
        return refusal(path, f"is compressed ({packed})", "unpack it, or write it without compression")
    return refusal(path, f"is damaged, or no TFRecord file: no record starts at byte {start}", CURE)
