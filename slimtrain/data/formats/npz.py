"""NumPy's `.npz` and `.npy` files of numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from slimtrain.data.formats.files import reading, refusal, size_of
from slimtrain.wire.npz import NpzError, read_archive, read_array
from slimtrain.wire.regular import opened

CURE = "write it again with numpy.savez, numpy.savez_compressed or numpy.save, from arrays of numbers"


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Reads all arrays of a `.npz` file by name.

    Raises:
        DataError: the file is missing or damaged, would unpack to far more than its size, or holds more than
            numbers.
    """
    size = size_of(path, CURE)
    with _reading(path), opened(path) as stream:
        return read_archive(stream, size)


def read_npy(path: Path) -> NDArray[Any]:
    """Reads the array of a `.npy` file.

    Raises:
        DataError: the file is missing or damaged, or holds anything but numbers.
    """
    size = size_of(path, CURE)
    with _reading(path), opened(path) as stream:
        return read_array("the array", stream, size)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """As `reading`, with what is wrong in the words of the format."""
    with reading(path, CURE):
        try:
            yield
        except NpzError as error:
            raise refusal(path, str(error), CURE) from None
