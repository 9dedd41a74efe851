"""IDX files of unsigned bytes, plain or gzipped: the format of MNIST and its kin."""

import gzip
import math
import struct
from collections.abc import Sequence
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slimtrain.data.formats.files import read_up_to, reading, refusal, size_of, unpack_limit
from slimtrain.wire.regular import opened

UNSIGNED_BYTE = 0x08
GZIP_MAGIC = b"\x1f\x8b"
CURE = "download the file again, or check that it is the IDX file that its name says"


def read_idx(path: Path, item: Sequence[int]) -> NDArray[np.uint8]:
    """Reads an IDX file of unsigned bytes; whether it is gzipped is told by its content.

    Args:
        path: the file.
        item: shape of one example, `()` for labels, `(28, 28)` for images of MNIST.

    Returns:
        Array [N, *item], N at least 1.

    Raises:
        DataError: the file is missing or damaged, or its header does not fit `item` or the bytes that follow.
    """
    size = size_of(path, CURE)
    with reading(path, CURE), opened(path) as plain:
        gzipped = plain.read(2) == GZIP_MAGIC
        plain.seek(0)
        stream = gzip.GzipFile(fileobj=plain) if gzipped else plain
        shape = _shape(path, stream, item)
        body = _body(path, stream, math.prod(shape), unpack_limit(size) if gzipped else size)
    return np.frombuffer(body, np.uint8).reshape(shape)


def _shape(path: Path, stream: BufferedIOBase, item: Sequence[int]) -> tuple[int, ...]:
    dims = 1 + len(item)
    wanted = bytes((0, 0, UNSIGNED_BYTE, dims))
    magic = read_up_to(stream, 4)
    if magic != wanted:
        what = f"starts with the bytes '{magic.hex(' ')}' instead of '{wanted.hex(' ')}'"
        raise refusal(path, f"{what} (IDX, unsigned bytes, {dims} dimension{'s' * (dims > 1)})", CURE)
    sizes = read_up_to(stream, 4 * dims)
    if len(sizes) < 4 * dims:
        raise refusal(path, "is truncated inside its header", CURE)
    shape = struct.unpack(f">{dims}I", sizes)
    if shape[0] == 0 or shape[1:] != tuple(item):
        raise refusal(path, f"holds an array of shape {list(shape)}, expected {['N', *item]} with N > 0", CURE)
    return shape


def _body(path: Path, stream: BufferedIOBase, count: int, limit: int) -> bytearray:
    if count > limit:
        raise refusal(path, f"is truncated: its header declares {count} bytes, too many for its size", CURE)
    # One byte more than declared: it shows extra bytes, and gzip verifies its checksum at the end.
    body = read_up_to(stream, count + 1)
    if len(body) != count:
        what = "is truncated" if len(body) < count else "has extra bytes"
        there = len(body) if len(body) < count else f"more than {count}"
        raise refusal(path, f"{what}: its header declares {count} bytes of data, there are {there}", CURE)
    return body
