"""The cache of compiled programs: the user's alone, bounded, without what a process died in the midst of writing."""

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from slimtrain import __version__
from slimtrain.cache import CacheError, private, root
from slimtrain.machine import alive, cores, identity

CACHE = "JAX_COMPILATION_CACHE_DIR"
FOLDER = "xla"
"""The folder of compiled programs in the user's cache."""
MOST_BYTES = 2**30
"""How much may lie there; the longest unused go first."""


def directory(extra: str = "") -> Path | None:
    """The folder of compiled programs; None where `SLIMTRAIN_CACHE=0` says so or no private folder can be had.

    Who can write there can run code in our processes, so it is the user's alone. Machine code for one CPU can crash
    another, and JAX's own check of that is not to be relied on: each kind of CPU, each jaxlib and each slimtrain has
    a folder of its own.

    Args:
        extra: what else programs depend on that JAX does not know.
    """
    if switched_off():
        return None
    kind = sha256(f"{identity()}\n{cores()}\n{extra}".encode()).hexdigest()[:16]
    try:
        return private(FOLDER, f"{__version__}-{jaxlib()}-{kind}")
    except CacheError:
        return None


def jaxlib() -> str:
    """Its version; empty where it is not installed."""
    try:
        return version("jaxlib")
    except PackageNotFoundError:
        return ""


def begin() -> None:
    """Notes that this process compiles, so that what it is killed in the midst of writing can be told.

    JAX writes its entries in place, and would warn of half an entry at every start.
    """
    if (folder := _ours()) is not None:
        with suppress(OSError):
            (folder / f"compiling-{os.getpid()}").touch()


def end() -> None:
    """Notes that this process has compiled, and trims the cache."""
    if (folder := _ours()) is not None:
        _remove(folder / f"compiling-{os.getpid()}")
        trim()


def clear(folder: Path) -> None:
    """Deletes the programs that were written since a process began to compile that died over it."""
    for note in folder.glob("compiling-*"):
        if not note.name.removeprefix("compiling-").isdigit() or alive(int(note.name.removeprefix("compiling-"))):
            continue
        since = _stat(note)
        for path, found in _entries(folder):
            if since and found.st_mtime >= since.st_mtime:
                _remove(path)
        _remove(note)


def trim(limit: int = MOST_BYTES) -> None:
    """Deletes the programs that were not used for longest, until those that are left take `limit` bytes at most."""
    if _ours() is None:
        return
    found = [(max(s.st_atime, s.st_mtime), s.st_size, path) for path, s in _entries(root() / FOLDER)]
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            return
        _remove(path)
        total -= size


def size(folder: Path) -> tuple[int, int]:
    """(programs, bytes) in a folder of compiled programs and those inside it."""
    found = [stat.st_size for _, stat in _entries(folder)]
    return len(found), sum(found)


def switched_off() -> bool:
    """Whether the user wants no compiled programs kept."""
    return os.environ.get("SLIMTRAIN_CACHE", "1").lower() in ("0", "no", "off", "false")


def _ours() -> Path | None:
    """The folder that JAX uses, if it is one of ours."""
    try:
        ours = root() / FOLDER
    except CacheError:
        return None
    used = os.environ.get(CACHE, "")
    return Path(used) if used.startswith(f"{ours}{os.sep}") else None


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.rglob("*-cache"):
        if found := _stat(path):
            yield path, found


def _remove(path: Path) -> None:
    with suppress(OSError):  # a cache that cannot be changed is no reason to stop
        path.unlink(missing_ok=True)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # another process deleted it
        return None
