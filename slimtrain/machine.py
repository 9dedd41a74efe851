"""The machine's processor, as the system tells of it, and how much of it this process may use."""

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path


def processor() -> str:
    """The processor's name."""
    return _told("model name") or platform.processor() or platform.machine()


def instructions() -> str:
    """The instructions that the processor has, as the system lists them; empty where it does not."""
    return _told("flags") or _told("Features")


def identity() -> str:
    """What the code that is made for this processor depends on."""
    return "\n".join([platform.machine(), processor(), instructions()])


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota() -> float | None:
    """How many cores' time the process's control group may use; None where it is not limited."""
    found = [limit for folder in _groups("cpu") if (limit := _quota(folder)) is not None]
    return min(found, default=None)


def free_memory() -> int | None:
    """Bytes that the process can still get, by the system and by its control group; None where neither tells."""
    pairs = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    told = [(_text(folder / most), _text(folder / used)) for folder in _groups("memory") for most, used in pairs]
    free = [int(most) - int(used) for most, used in told if most.isdigit() and used.isdigit()]
    lines = (line.split() for line in _text(Path("/proc/meminfo")).splitlines())
    free += [int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:"]
    return min(free, default=None)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of the process's control group and of those around it, of either version."""
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, names, path = line.split(":", 2)
        if names == "" or controller in names.split(","):
            root = Path("/sys/fs/cgroup") / (controller if names else "")
            inner = root / path.lstrip("/")
            yield from (folder for folder in (inner, *inner.parents) if folder == root or root in folder.parents)


def _quota(folder: Path) -> float | None:
    words = _text(folder / "cpu.max").split() or [
        _text(folder / "cpu.cfs_quota_us"),
        _text(folder / "cpu.cfs_period_us"),
    ]
    return int(words[0]) / int(words[1]) if all(word.isdigit() and int(word) for word in words) else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether a process of this number runs, other than this one: in containers numbers come again."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@cache
def _told(what: str) -> str:
    """What the kernel tells of the first core."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == what:
                return value.strip()
    return ""
