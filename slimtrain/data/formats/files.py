"""Reading files whose bytes may be anything: every failure is a DataError that names the file and a cure."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

from slimtrain.errors import DataError, Problem
from slimtrain.wire.npz import unpack_limit as unpack_limit

CHUNK = 2**20
LONGEST_MESSAGE = 200


def refusal(path: Path, what: str, cure: str) -> DataError:
    """The error for a file that is not what it should be."""
    return DataError(Problem(str(path), what, cure))


@contextmanager
def reading(path: Path, cure: str) -> Iterator[None]:
    """Turns whatever goes wrong inside into a refusal of `path`.

    Args:
        path: file or folder that is being read.
        cure: what the user can do about it.

    Raises:
        DataError: instead of any other exception.
    """
    try:
        yield
    except DataError:
        raise
    except MemoryError:
        raise refusal(path, "does not fit into memory", "use a smaller file") from None
    except OSError as error:
        raise refusal(path, f"cannot be read: {error.strerror or error}", cure) from None
    except Exception as error:  # zipfile, zlib and numpy fail on damaged bytes in more ways than can be listed
        raise refusal(path, f"is damaged: {_said(error)}", cure) from None


def _said(error: Exception) -> str:
    return str(error).split("\n")[0][:LONGEST_MESSAGE] or type(error).__name__


def size_of(path: Path, cure: str) -> int:
    """Bytes in a regular file.

    Raises:
        DataError: there is no such file, or it is a folder, pipe or device.
    """
    with reading(path, cure):
        size = path.stat().st_size
        if not path.is_file():
            raise refusal(path, "is no regular file", cure)
        return size


def read_up_to(stream: BufferedIOBase, count: int) -> bytearray:
    """At most `count` bytes, fewer at the end of the stream; memory grows only with what is really there."""
    data = bytearray()
    while len(data) < count and (part := stream.read(min(CHUNK, count - len(data)))):
        data += part
    return data
