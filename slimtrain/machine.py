"""The machine's processor, as the system tells of it, and how much of it this process may use."""

import os
import platform
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
