"""Memory that is kept: what a second round of buffers costs, in processes of their own, since it cannot be undone."""

import json
import os
import subprocess
import sys

import pytest

from slimtrain.memory import VARIABLE

GLIBC = "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "") if sys.platform == "linux" else False
ROUNDS = """
import json, mmap, resource, sys, threading
from slimtrain.memory import keep

limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
told = keep()
SIZE, PAGE = 100 << 20, mmap.PAGESIZE

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def touched():
    began = faults()
    for block in [bytearray(SIZE), bytearray(SIZE // 4)]:
        block[::PAGE] = bytes(len(block) // PAGE)
    return faults() - began

counts = [touched() for _ in range(3)]
thread = threading.Thread(target=lambda: counts.append(touched()))
thread.start()
thread.join()
size = int(open("/proc/self/statm").read().split()[1]) * PAGE
print(json.dumps({"told": told, "faults": counts, "resident": size}))
"""


GIVEN_BACK = """
import json, mmap, resource
from slimtrain.memory import give_back, keep

keep()
PAGE = mmap.PAGESIZE

def taken(size):
    block = bytearray(size)
    block[::PAGE] = bytes(len(block) // PAGE)
    return block

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * PAGE

blocks = [taken(1 << 20) for _ in range(200)]
end = taken(100 << 20)
pins = blocks[::20]
del blocks, end
before = resident()
give_back()
after, began = resident(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
end = taken(100 << 20)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - began
print(json.dumps({"before": before, "after": after, "faults": faults}))
"""


def rounds(limit=0, **variables):
    """What a process says that takes and frees two buffers three times, and once more in a thread."""
    return process(ROUNDS, str(limit), **variables)


def process(code, *arguments, **variables):
    """What a process of its own prints, in an environment that says nothing of the allocator."""
    own = {n: v for n, v in os.environ.items() if not n.startswith(("MALLOC_", "GLIBC_", VARIABLE))}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=own | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not GLIBC, reason="glibc's allocator")
def test_the_second_round_costs_no_page_faults():
    found = rounds()
    assert found["told"].startswith("memory: kept for the next step")
    assert max(found["faults"][1:]) < 500, found
    plain = rounds(**{VARIABLE: "0"})
    assert min(plain["faults"][1:3]) > 20_000, plain


@pytest.mark.skipif(not GLIBC, reason="glibc's allocator")
def test_what_is_free_amid_what_is_in_use_is_given_back():
    found = process(GIVEN_BACK)
    assert found["before"] - found["after"] > 90 << 20, found
    assert found["faults"] < 500, found


@pytest.mark.skipif(not GLIBC, reason="glibc's allocator")
def test_addresses_are_reserved_and_no_memory_is_taken():
    assert rounds()["resident"] < 250 << 20


@pytest.mark.skipif(not GLIBC, reason="glibc's allocator")
def test_a_limit_on_addresses_is_respected():
    found = rounds(limit=2 << 30)
    assert found["told"] == "memory: kept for the next step, on small pages"
    assert max(found["faults"][1:]) < 500, found


@pytest.mark.parametrize(
    "name, value",
    [
        (VARIABLE, "0"),
        ("MALLOC_ARENA_MAX", "2"),
        ("MALLOC_TRIM_THRESHOLD_", "100000"),
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=7"),
    ],
)
def test_what_the_user_says_stands(name, value):
    found = rounds(**{name: value})
    assert found["told"].startswith(f"memory: as the system does it ({name}")
    assert min(found["faults"][1:3]) > 20_000, found
