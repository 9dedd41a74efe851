"""Files that are replaced whole or not at all, and are on the disk before they count as written."""

import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from slimtrain.errors import Problem, WriteError

_FULL = "free some space and try again; what was saved before is kept"
_CURES = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EFBIG: _FULL}


def write_text(path: Path, text: str) -> None:
    """Replaces a file by `text`, whole or not at all.

    Raises:
        WriteError: It cannot be written; the file is as it was.
    """
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replaces a file by `value` as JSON, keys in the order given, numbers that are not finite as text.

    Raises:
        WriteError: It cannot be written; the file is as it was.
    """
    write_text(path, json.dumps(plain(value), indent=1, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """The value as standard JSON can hold it: what is not finite becomes "nan", "inf" or "-inf"."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` at the end, on the disk, unless something fails before.

    Raises:
        WriteError: It cannot be written; the file at `path` is as it was.
    """
    # The same folder, since only within one file system is a rename atomic.
    aside = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    with writing(path):
        try:
            with open(aside, "wb") as file:
                yield file
                sync_file(file)
            os.replace(aside, path)
            sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise


def sync_file(file: IO[bytes]) -> None:
    """Waits until what was written to the file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Waits until the names in the folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path, what: str = "cannot be written") -> Iterator[None]:
    """Turns the system's errors inside into a WriteError that names `path`."""
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0, "check that the folder is there and that you may write to it")
        raise WriteError(Problem(str(path), f"{what}: {error.strerror or error}", cure)) from error
