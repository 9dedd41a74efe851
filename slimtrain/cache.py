"""Where slimtrain keeps what can be made again: a directory that only its user can read or change."""

import os
from pathlib import Path


class CacheError(Exception):
    """The cache can't be used; the text says why."""


def private(name: str) -> Path:
    """A directory in the user's cache, made if it is not there; code is loaded from it, so it has to be the user's own.

    Args:
        name: of the directory.

    Raises:
        CacheError: it can't be made, or others could write to it.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    path = Path(base) / "slimtrain" / name
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise CacheError(f"{path}: {error.strerror}") from None
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise CacheError(f"{path} can be written by others; delete it, or chmod 700")
    return path
