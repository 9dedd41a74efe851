"""Tables of sorted keys and values in one file, as LevelDB has them: blocks with checksums, an index, a footer."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from slimtrain.errors import CheckpointError, Problem
from slimtrain.wire.crc32c import masked_crc32c
from slimtrain.wire.protobuf import varint

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER, _TRAILER = 48, 5
_PLAIN, _SNAPPY = 0, 1
# Three bytes of snappy copy up to 64: more than this from so few is a lie.
_SNAPPY_MOST = 22
# Keys share beginnings, so a small file could spell long names without end.
_KEY_MOST, _KEYS_MOST = 4096, 64 << 20

Entry = tuple[bytes, memoryview]


@dataclass(frozen=True)
class Span:
    """Where a block lies in the file."""

    offset: int
    size: int


def is_table(file: IO[bytes]) -> bool:
    """Whether the file ends as a table does."""
    size = os.fstat(file.fileno()).st_size
    return size >= _FOOTER and _at(file, Span(size - 8, 8)) == MAGIC


def entries(file: IO[bytes]) -> Iterator[Entry]:
    """Every key with its value, in the order of the keys; a block is read and checked when its turn comes.

    Raises:
        ValueError: the file is no table, or a damaged one.
        CheckpointError: it is compressed, and the library for that is not installed.
    """
    last, spelled = None, 0
    for block in _blocks(file):
        for key, value in _in_block(block):
            spelled += len(key)
            if spelled > _KEYS_MOST or (last is not None and key <= last):
                raise ValueError("its names are not in order, or are too many: it is damaged")
            last = key
            yield key, value


def _blocks(file: IO[bytes]) -> Iterator[memoryview]:
    if not is_table(file):
        raise ValueError("it does not end as a checkpoint of TensorFlow does; is it whole?")
    left = os.fstat(file.fileno()).st_size - _FOOTER
    footer = memoryview(_at(file, Span(left, _FOOTER)))
    _, at = _span(footer, 0)
    index, _ = _span(footer, at)
    for _, value in _in_block(_block(file, index, left)):
        span = _span(value, 0)[0]
        left -= span.size
        yield _block(file, span, left)


def _span(data: memoryview, at: int) -> tuple[Span, int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return Span(offset, size), at


def _block(file: IO[bytes], span: Span, left: int) -> memoryview:
    """A block's entries; `left` is less than nothing where blocks of the file have to overlap."""
    end = span.offset + span.size + _TRAILER
    if left < 0 or end > os.fstat(file.fileno()).st_size:
        raise ValueError("it is cut short, or its index is damaged: a block of it lies beyond its end")
    data = memoryview(_at(file, Span(span.offset, span.size + _TRAILER)))
    stated = int.from_bytes(data[-4:], "little")
    if masked_crc32c(data[:-4]) != stated:
        raise ValueError(f"the checksum of its block at {span.offset} is wrong: it is damaged")
    return _plain(data[: span.size], data[span.size])


def _at(file: IO[bytes], span: Span) -> bytes:
    file.seek(span.offset)
    data = file.read(span.size)
    if len(data) < span.size:
        raise ValueError("it became shorter while it was read")
    return data


def _plain(data: memoryview, compression: int) -> memoryview:
    if compression == _PLAIN:
        return data
    if compression != _SNAPPY:
        raise ValueError(f"its blocks are compressed in an unknown way ({compression})")
    size, _ = varint(data, 0)
    if size > _SNAPPY_MOST * len(data):
        raise ValueError("a compressed block in it claims to be larger than it can be")
    return memoryview(_unsnapped(data))


def _unsnapped(data: memoryview) -> bytes:
    try:
        from cramjam import DecompressionError, snappy
    except ImportError:
        hint = "pip install 'slimtrain[tf]'"
        raise CheckpointError(Problem("", "its blocks are compressed, which needs the package cramjam", hint)) from None
    try:
        return bytes(snappy.decompress_raw(data))
    except DecompressionError as error:
        raise ValueError(f"a compressed block in it is damaged: {error}") from error


def _in_block(block: memoryview) -> Iterator[Entry]:
    """The entries of a block; each key is spelled as how many bytes of the one before stay, and the rest."""
    if len(block) < 4:
        raise ValueError("a block in it is too short")
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise ValueError("a block in it is damaged: it has no place for its entries")
    key, at = b"", 0
    while at < end:
        shared, at = varint(block, at)
        more, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key) or shared + more > _KEY_MOST or more + size > end - at:
            raise ValueError("a block in it is damaged: an entry is too long")
        key = key[:shared] + block[at : at + more].tobytes()
        yield key, block[at + more : at + more + size]
        at += more + size
