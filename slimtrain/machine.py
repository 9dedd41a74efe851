"""The machine's processor, as the system tells of it."""

import platform
from contextlib import suppress
from pathlib import Path


def processor() -> str:
    """The processor's name."""
    return _told("model name") or platform.processor() or platform.machine()


def instructions() -> str:
    """The instructions that the processor has, as the system lists them; empty where it does not."""
    return _told("flags") or _told("Features")


def _told(what: str) -> str:
    """What the kernel tells of the first core."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == what:
                return value.strip()
    return ""
