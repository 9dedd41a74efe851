"""What the machine gives a run: cores, memory, disks that can be written and locked, a cache, variables."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from slimtrain import __version__, cache, programs
from slimtrain.jobs.findings import Finding
from slimtrain.machine import cores, free_memory, processor, quota

LITTLE = 10**9
"""Bytes of memory or disk below which a warning is due."""
TELLING = ("XLA_", "JAX_", "OMP_", "GOMP_", "KMP_", "ONEDNN_", "DNNL_", "CUDA_", "MALLOC_", "SLIMTRAIN_", "XDG_CACHE")
"""How the names of variables begin that change what a run computes, how fast, or what it keeps."""


def versions() -> Iterator[Finding]:
    """slimtrain, Python, the system."""
    yield Finding("slimtrain", "ok", __version__)
    yield Finding("python", "ok", platform.python_version())
    yield Finding("system", "ok", platform.platform())


def threads() -> Iterator[Finding]:
    """How many threads compute, and what limits them."""
    mine, there, time = cores(), os.cpu_count() or 1, quota()
    told = f"{mine} of {there} cores, {processor()}"
    if time is not None and time < mine:
        cure = f"start it on so many cores: taskset -c 0-{max(int(time) - 1, 0)} slimtrain fit ..."
        what = f"{told}; but the control group gives the time of {time:g}, so that threads wait for each other"
        yield Finding("threads", "warning", what, cure)
    elif mine < there:
        yield Finding("threads", "ok", f"{told}; the process's affinity limits it (taskset, a container, a scheduler)")
    else:
        yield Finding("threads", "ok", told)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked and asked != str(mine):
        told = f"OMP_NUM_THREADS={asked}: the native part uses so many, the rest {mine}"
        yield Finding("threads", "warning", told, "unset OMP_NUM_THREADS")


def memory() -> Iterator[Finding]:
    """Memory that is free."""
    free = free_memory()
    if free is None:
        yield Finding("memory", "ok", "this system does not tell what is free")
    elif free < LITTLE:
        cure = "lower data.batch_size, or set 'remat: true' on blocks; 'slimtrain time' tells what a config takes"
        yield Finding("memory", "warning", f"only {_size(free)} free", cure)
    else:
        yield Finding("memory", "ok", f"{_size(free)} free")


def disks() -> Iterator[Finding]:
    """Where runs go by default: whether a run can be made, locked and saved there, and what is free."""
    from slimtrain.errors import SlimtrainError
    from slimtrain.store.rundir import RunDir, lock, write_text

    folder = Path("runs") if Path("runs").is_dir() else Path()
    where = folder.resolve()
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".slimtrain-doctor-", ignore_cleanup_errors=True) as made:
            run = RunDir(Path(made))
            with lock(run):
                write_text(run.config, "written, synced and renamed\n")
    except (OSError, SlimtrainError) as error:
        told = error.strerror if isinstance(error, OSError) else error.problems[0].what
        cure = "" if isinstance(error, OSError) else error.problems[0].hint
        other = "work in another folder, or give fit a --run-dir"
        yield Finding("runs", "problem", f"{where}: {told}", cure or other)
    else:
        yield Finding("runs", "ok", f"{where}: can be written, files are locked")
    yield from _room("disk of runs", where)
    yield from _room("disk of temporary files", Path(tempfile.gettempdir()))


def _room(subject: str, path: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(path).free
    told = f"{_size(free)} free in {path}"
    cure = "" if free >= LITTLE else "free some; a run needs room for train.keep + 2 checkpoints"
    yield Finding(subject, "warning" if cure else "ok", told, cure)


def caches() -> Iterator[Finding]:
    """The user's cache, private or not, and the compiled programs in it."""
    try:
        folder = cache.private(programs.FOLDER).parent
        if not os.access(folder / programs.FOLDER, os.W_OK | os.X_OK):
            raise cache.CacheError(f"{folder} cannot be written")
        yield Finding("cache", "ok", f"{folder}: can be written, by this user only")
    except cache.CacheError as error:
        cure = "each start compiles anew, tests JAX anew, and has no native part; XDG_CACHE_HOME names another place"
        yield Finding("cache", "warning", str(error), cure)
        return
    yield from _programs(folder / programs.FOLDER)
    yield from _room("disk of the cache", folder)


def _programs(folder: Path) -> Iterator[Finding]:
    used = os.environ.get(programs.CACHE, "")
    number, size = programs.size(folder)
    told = f"{folder}: {number} programs, {_size(size)} of {_size(programs.MOST_BYTES)} at most"
    if used and not Path(used).is_relative_to(folder):
        yield Finding("compiled programs", "ok", f"{used}, as {programs.CACHE} says")
    elif programs.switched_off():
        cure = "unset SLIMTRAIN_CACHE"
        yield Finding(
            "compiled programs", "warning", "are not kept (SLIMTRAIN_CACHE=0): each start compiles anew", cure
        )
    else:
        yield Finding("compiled programs", "ok", told)


def variables() -> Iterator[Finding]:
    """Variables that change what a run computes, how fast, or what it keeps."""
    for name in sorted(n for n in os.environ if n.startswith(TELLING)):
        value = os.environ[name]
        if bad := _harm(name, value):
            yield Finding("variable", "warning", f"{name}={value}: {bad}", f"unset {name}, or take it out there")
        else:
            yield Finding("variable", "ok", f"{name}={value}")


def _harm(name: str, value: str) -> str:
    on = value.lower() not in ("", "0", "false")
    if name == "XLA_FLAGS" and "fast_math=true" in value:
        return "numbers that are not finite can pass for finite ones"
    if name == "XLA_FLAGS" and "optimization_level=0" in value:
        return "programs run far slower"
    slow = {"JAX_DISABLE_JIT": "nothing is compiled", "JAX_DEBUG_NANS": "JAX stops at NaN before slimtrain saves"}
    return slow.get(name, "") if on else ""


def _size(number: float) -> str:
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:.0f} B"
