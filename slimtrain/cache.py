"""Where slimtrain keeps what can be made again: a directory that only its user can read or change."""

import os
import stat
from pathlib import Path


class CacheError(Exception):
    """The cache can't be used; the text says why."""


def private(*names: str) -> Path:
    """A directory in the user's cache, made if it is not there; code is loaded from it, so it has to be the user's own.

    Args:
        names: of the directory, and of those inside it on the way.

    Raises:
        CacheError: it can't be made, or is not closed to others.
    """
    path = root()
    wanted = path.joinpath(*names)
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = path / name
            path.mkdir(mode=0o700, exist_ok=True)
            _need_own(path)
    except OSError as error:
        raise CacheError(f"{wanted}: {error.strerror}") from None
    return wanted


def root() -> Path:
    """`slimtrain` in `XDG_CACHE_HOME`, or in `~/.cache`; raises CacheError where there is no home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = given if given.is_absolute() else Path(os.path.expanduser("~/.cache"))
    if not base.is_absolute():
        raise CacheError("there is no home directory; set XDG_CACHE_HOME")
    return base / "slimtrain"


def _need_own(path: Path) -> None:
    found = path.lstat()
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not own or found.st_mode & 0o077:
        done = "written" if not own or found.st_mode & 0o022 else "read"
        raise CacheError(f"{path} can be {done} by others; delete it, or chmod 700")
