"""What has to be set before JAX starts, added to the user's own settings and never in their place."""

import os
import sys
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from slimtrain import __version__
from slimtrain.cache import CacheError, private, root
from slimtrain.machine import cores, identity

YNN = "--xla_cpu_experimental_ynn_fusion_type"
CACHE = "JAX_COMPILATION_CACHE_DIR"
PROGRAMS = "xla"
"""The folder of compiled programs in the user's cache."""
CACHE_BYTES = 2**30
"""How much may lie in the cache of compiled programs; the longest unused go first."""


def prepare() -> None:
    """Switches off what computes wrong numbers in the installed jaxlib, and has compiled programs kept between runs.

    jaxlib 0.10.2, the newest for Python 3.11, fuses some reductions into wrong results on CPUs (jax#39103) and crashes
    in others (jax#39257); 0.12 does not. Once JAX has started it would come too late, and is left for the self-test.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if _jaxlib() == "0.10.2" and YNN not in flags and not _started():
        os.environ["XLA_FLAGS"] = f"{flags} {YNN}=-reduce".strip()
    if CACHE not in os.environ and (folder := cache_directory()) is not None:
        os.environ[CACHE] = str(folder)
        # JAX by itself keeps only what took a second to compile.
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


DETERMINISTIC = ("--xla_gpu_deterministic_ops=true", "--xla_gpu_autotune_level=0")
"""What a GPU needs to compute the same bits again: no atomics, no kernels chosen by a race. CPUs and TPUs need none."""


def make_deterministic() -> None:
    """Adds what a GPU needs to compute the same bits again, where the user has not set it; before JAX starts."""
    flags = os.environ.get("XLA_FLAGS", "")
    missing = [flag for flag in DETERMINISTIC if flag.partition("=")[0] not in flags]
    os.environ["XLA_FLAGS"] = " ".join([flags, *missing]).strip()


def cache_directory(extra: str = "") -> Path | None:
    """The folder of compiled programs; None where `SLIMTRAIN_CACHE=0` says so or no private folder can be had.

    Who can write there can run code in our processes, so it is the user's alone. Machine code for one CPU can crash
    another, and JAX's own check of that is not to be relied on: each kind of CPU, each jaxlib and each slimtrain has
    a folder of its own.

    Args:
        extra: what else programs depend on that JAX does not know.
    """
    if os.environ.get("SLIMTRAIN_CACHE", "1").lower() in ("0", "no", "off", "false"):
        return None
    kind = sha256(f"{identity()}\n{cores()}\n{extra}".encode()).hexdigest()[:16]
    try:
        return private(PROGRAMS, f"{__version__}-{_jaxlib()}-{kind}")
    except CacheError:
        return None


def trim_cache(limit: int = CACHE_BYTES) -> None:
    """Deletes the programs that were not used for longest, until those that are left take `limit` bytes at most."""
    try:
        folder = root() / PROGRAMS
    except CacheError:
        return
    if not os.environ.get(CACHE, "").startswith(f"{folder}{os.sep}"):
        return
    found = [(max(s.st_atime, s.st_mtime), s.st_size, path) for path in folder.rglob("*-cache") if (s := _told(path))]
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            return
        path.unlink(missing_ok=True)
        total -= size


def _told(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # another process deleted it
        return None


def _jaxlib() -> str:
    try:
        return version("jaxlib")
    except PackageNotFoundError:
        return ""


def _started() -> bool:
    """Whether JAX has opened a device, when it has read its flags for good."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bool(getattr(bridge, "_backends", None))
