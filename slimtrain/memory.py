"""Memory that a process keeps once it has it, on huge pages: what one step allocates, the next one asks for again.

XLA asks the C library for each buffer of each step. As it comes, glibc maps a large one anew, the kernel fills it page
by page as it is touched, and all of it goes back at the end of the step: 35,000 page faults in a train step of LeNet.

What compiling took would stay too, in pieces that no step's buffers fit into: 265 MB beside a ResNet-50's 1350. That
is given back once, before the first step.
"""

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

VARIABLE = "SLIMTRAIN_KEEP_MEMORY"
HUGE = 2 << 20
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # M_... of malloc.h
_MADV_HUGEPAGE = 14
_kept: list[Any] = []  # the C library, once it keeps memory


def keep() -> str:
    """Has glibc take all memory from one heap that only grows, its pages huge; says what was done.

    Does nothing where the user sets the allocator or says no, and where the C library is another. To be called before
    threads start; it cannot be undone.
    """
    if reason := _left_alone():
        return f"memory: as the system does it ({reason})"
    libc = ctypes.CDLL(None)
    for name, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1)):
        libc.mallopt(name, value)
    _kept.append(libc)
    return f"memory: kept for the next step, on {'huge' if _reserve(libc) else 'small'} pages"


def give_back() -> None:
    """Gives the system what is free amid what is in use, where memory is kept; the heap's end stays as it is.

    To be called between two kinds of work: after compiling, before training.
    """
    for libc in _kept:
        libc.malloc_trim(ctypes.c_size_t(_machine()))  # of the heap's end as much as there is memory is left


def _machine() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _left_alone() -> str:
    """Why the allocator is not touched; empty where it may be."""
    if os.environ.get(VARIABLE) == "0":
        return f"{VARIABLE}=0"
    own = [n for n in os.environ if n.startswith("MALLOC_")]
    if "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        own.append("GLIBC_TUNABLES")
    if own:
        return f"{own[0]} is set"
    try:
        os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError):
        return "the C library is not glibc"
    return ""


def _reserve(libc: Any) -> bool:
    """Grows the heap by addresses for half of the machine's memory and asks for huge pages there; touches none of it.

    Not where addresses count as memory: under a limit on them, or where the kernel promises no more than it has.
    """
    if _addresses_count():
        return False
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = _machine() // 2
    block = libc.malloc(size)
    if not block:
        return False
    start = -(-block // HUGE) * HUGE
    advised = libc.madvise(start, (block + size - start) // HUGE * HUGE, _MADV_HUGEPAGE)
    libc.free(block)  # the heap never shrinks, so its addresses stay, and what is known of them
    return advised == 0 and not _huge_pages_off()


def _addresses_count() -> bool:
    import resource

    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    limited = any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)
    return limited or _read("/proc/sys/vm/overcommit_memory").strip() == "2"


def _huge_pages_off() -> bool:
    return "[never]" in _read("/sys/kernel/mm/transparent_hugepage/enabled")


def _read(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text()
    return ""
