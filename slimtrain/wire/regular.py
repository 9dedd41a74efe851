"""Opening what should be a file and may be anything: a pipe would be waited for, a device has no end."""

import errno
import os
from io import BufferedReader
from pathlib import Path

NO_FILE = "it is a pipe or a device, not a file"


def opened(path: Path) -> BufferedReader:
    """A file, opened to read; what has nothing to give yet reads as None and is not waited for.

    Raises:
        OSError: It cannot be opened, or is a pipe or a device.
    """
    # Before it is opened: a pipe that nobody writes into would never open.
    if not path.is_file() and path.exists() and not path.is_dir():
        raise OSError(errno.EINVAL, NO_FILE)
    return open(path, "rb", opener=_without_waiting)


def small(path: Path, most: int) -> bytes:
    """The bytes of a file that is small where it is right.

    Raises:
        OSError: It cannot be read, is no regular file, or has more than `most` bytes.
    """
    with opened(path) as file:
        # Told before it is read: a file with a hole takes no room but in memory.
        told = os.fstat(file.fileno()).st_size
        data = (file.read(most + 1) or b"") if told <= most else b""
    if max(told, len(data)) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes")
    return data


def _without_waiting(path: str, flags: int) -> int:
    # Some of the kernel's own look like files, and wait for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
