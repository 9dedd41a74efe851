"""NumPy's `.npz` and `.npy` formats, of numbers; declared sizes are checked before anything is allocated."""

import math
import zipfile
from collections import Counter
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

NUMBERS = "biuf"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ALWAYS_ALLOWED = 2**30
HIGHEST_RATIO = 100


class NpzError(ValueError):
    """What is wrong with a file, as it follows the file's name."""


def unpack_limit(packed: int) -> int:
    """The most bytes that a file of `packed` bytes may unpack to; more is taken for a decompression bomb."""
    return max(ALWAYS_ALLOWED, HIGHEST_RATIO * packed)


def read_archive(stream: IO[bytes], size: int, kinds: str = NUMBERS) -> dict[str, NDArray[Any]]:
    """All arrays of a `.npz` file of `size` bytes by name.

    Raises:
        NpzError: it would unpack to far more than its size, or holds more than numbers.
        Exception: bytes that are damaged, as zipfile, zlib and NumPy find them.
    """
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        _check_members(members, unpack_limit(size))
        return {m.filename.removesuffix(".npy"): _member(archive, m, kinds) for m in members}


def read_array(name: str, stream: IO[bytes], size: int, kinds: str = NUMBERS) -> NDArray[Any]:
    """The array of a `.npy` file of `size` bytes; `name` is what it is called in messages.

    Raises:
        NpzError: it holds anything but numbers, or others than its header says.
        Exception: a header that is damaged, as NumPy finds it.
    """
    shape, dtype = _header(name, stream)
    if dtype.kind not in kinds or dtype.hasobject:
        kind = "Python objects" if dtype.hasobject else f"type {dtype}"
        raise NpzError(f"{name} holds {kind}, expected numbers")
    declared, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if declared != there:
        what = "is truncated" if declared > there else "has extra bytes"
        raise NpzError(f"{name} {what}: its header declares {declared} bytes, there are {there}")
    stream.seek(0)
    array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
    return array


def _check_members(members: Sequence[zipfile.ZipInfo], limit: int) -> None:
    counts = Counter(m.filename for m in members)
    strange = [name for name, count in counts.items() if count > 1 or not name.endswith(".npy")]
    if strange:
        raise NpzError(f"holds {strange[0][:200]!r}, which is no array or is there twice")
    if any(m.compress_type not in METHODS for m in members):
        raise NpzError("is compressed in a way that NumPy does not write")
    # The sum over all members, since members of a crafted archive can share their bytes.
    if sum(m.file_size for m in members) > limit:
        raise NpzError(f"would unpack to more than {limit} bytes, far more than its size")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, kinds: str) -> NDArray[Any]:
    with archive.open(member) as stream:
        return read_array(repr(member.filename.removesuffix(".npy")), stream, member.file_size, kinds)


def _header(name: str, stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise NpzError(f"{name} is of .npy version {version}, expected (1, 0) or (2, 0)")
    shape, _, dtype = readers[version](stream)
    return shape, dtype
