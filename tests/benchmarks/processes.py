"""One measured process at a time, on a machine that does nothing else."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SLIMTRAIN = (sys.executable, "-m", "slimtrain.cli")
QUIET = 0.1
PATIENCE = 60.0


class FailedError(Exception):
    """A process that ended badly, with the last line it wrote."""


@dataclass(frozen=True)
class Ran:
    """What a process answered, its peak memory in MB, and how many cores others used meanwhile."""

    answer: dict[str, Any]
    peak_mb: float
    others: float

    @property
    def disturbed(self) -> bool:
        return self.others > 2 * QUIET


def run(command: Sequence[str], more: Mapping[str, str] | None = None) -> Ran:
    """Waits for quiet, runs a command that prints one JSON object, and takes what it used.

    Args:
        command: the command.
        more: environment variables for it.

    Raises:
        FailedError: it failed.
    """
    wait_for_quiet()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        busy, began = busy_seconds(), time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT, env=environment(command, more))
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - began
        others = (busy_seconds() - busy - used.ru_utime - used.ru_stime) / passed
        out.seek(0), err.seek(0)
        if process.returncode:
            last = err.read().decode(errors="replace").strip().splitlines()[-1:]
            raise FailedError(f"exit code {process.returncode}: {''.join(last)}")
        return Ran(answer_in(out.read().decode()), used.ru_maxrss / 1024, max(0.0, round(others, 2)))


def answer_in(text: str) -> dict[str, Any]:
    """The JSON object at the end of what a process wrote."""
    lines = text.splitlines()
    start = max((i for i, line in enumerate(lines) if line.startswith("{")), default=0)
    found: dict[str, Any] = json.loads("\n".join(lines[start:]))
    return found


def environment(command: Sequence[str], more: Mapping[str, str] | None) -> dict[str, str]:
    """The environment of a process: slimtrain's is this checkout, a peer's knows nothing of it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ours = {"PYTHONPATH": str(ROOT)} if command[0] == sys.executable else {}
    return {**kept, **ours, **(more or {})}


def busy_seconds() -> float:
    """Seconds that all cores together have worked since the machine started."""
    user, nice, system, _, _, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet() -> bool:
    """Waits until others leave the cores alone, but not for ever; says so where they don't.

    The load average is told by the machine's line; it lags by a minute, so what counts here is half a second's work.
    """
    began = time.monotonic()
    while (used := _busy_cores(0.5)) > QUIET:
        if time.monotonic() - began > PATIENCE:
            print(f"warning: others use {used:.1f} cores (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)
            return False
        time.sleep(1.0)
    return True


def _busy_cores(seconds: float) -> float:
    before = busy_seconds()
    time.sleep(seconds)
    return (busy_seconds() - before) / seconds
