"""NumPy's `.npz` and `.npy` files of numbers; declared sizes are checked before anything is allocated."""

import math
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from slimtrain.data.formats.files import reading, refusal, size_of, unpack_limit

NUMBERS = "biuf"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
CURE = "write it again with numpy.savez, numpy.savez_compressed or numpy.save"


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Reads all arrays of a `.npz` file by name.

    Raises:
        DataError: the file is missing or damaged, would unpack to far more than its size, or holds more than
            numbers.
    """
    size = size_of(path, CURE)
    with reading(path, CURE), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check_members(path, members, unpack_limit(size))
        return {m.filename.removesuffix(".npy"): _member(path, archive, m) for m in members}


def read_npy(path: Path) -> NDArray[Any]:
    """Reads the array of a `.npy` file.

    Raises:
        DataError: the file is missing or damaged, or holds anything but numbers.
    """
    size = size_of(path, CURE)
    with reading(path, CURE), path.open("rb") as stream:
        return _array(path, "the array", stream, size)


def _check_members(path: Path, members: Sequence[zipfile.ZipInfo], limit: int) -> None:
    counts = Counter(m.filename for m in members)
    strange = [name for name, count in counts.items() if count > 1 or not name.endswith(".npy")]
    if strange:
        raise refusal(path, f"holds {strange[0]!r}, which is no array or is there twice", CURE)
    if any(m.compress_type not in METHODS for m in members):
        raise refusal(path, "is compressed in a way that NumPy does not write", CURE)
    # The sum over all members, since members of a crafted archive can share their bytes.
    if sum(m.file_size for m in members) > limit:
        raise refusal(path, f"would unpack to more than {limit} bytes, far more than its size", CURE)


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        return _array(path, repr(member.filename.removesuffix(".npy")), stream, member.file_size)


def _array(path: Path, name: str, stream: IO[bytes], size: int) -> NDArray[Any]:
    shape, dtype = _header(path, name, stream)
    if dtype.kind not in NUMBERS:
        kind = "Python objects" if dtype.hasobject else f"type {dtype}"
        raise refusal(path, f"{name} holds {kind}, expected numbers", f"{CURE}, from an array of numbers")
    declared, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if declared != there:
        what = "is truncated" if declared > there else "has extra bytes"
        raise refusal(path, f"{name} {what}: its header declares {declared} bytes, there are {there}", CURE)
    stream.seek(0)
    array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
    return array


def _header(path: Path, name: str, stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise refusal(path, f"{name} is of .npy version {version}, expected (1, 0) or (2, 0)", CURE)
    shape, _, dtype = readers[version](stream)
    return shape, dtype
