"""Whether the installed JAX computes right on this machine: tried once, and once more when either changes."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from slimtrain.backend import YNN
from slimtrain.cache import CacheError, private
from slimtrain.errors import Problem, SlimtrainError, WriteError
from slimtrain.jobs.talk import Talk
from slimtrain.lazy import jax
from slimtrain.machine import cores, identity
from slimtrain.store.files import write_text

VARIABLE = "SLIMTRAIN_SELF_TEST"
TOLERANCE = 1e-4  # of the largest value: rounding in float32 stays below 1e-5, the known faults are above 1e-3
KERNELS = Path(__file__).with_name("kernels.py")
PATIENCE = 300.0  # seconds; a busy machine takes ten, a hung kernel for ever


def need_right_numbers(talk: Talk) -> None:
    """Runs the kernels on the CPU in a process of their own, unless they have passed before or the user says no.

    Raises:
        SlimtrainError: JAX computes something wrong, crashes or hangs.
    """
    if not wanted() or has_passed():
        return
    talk.say("checking JAX on this machine against float64, once")
    found = verdict()
    if found is not None and found.severity == "error":
        raise SlimtrainError(found)
    talk.warn([found] if found else [])


def wanted() -> bool:
    """Whether the kernels are to be run: on a CPU, unless the user says no."""
    return os.environ.get(VARIABLE) != "0" and jax.default_backend() == "cpu"


def has_passed() -> bool:
    """Whether they have passed before, under the circumstances of now."""
    passed = _place(_circumstances())
    return passed is not None and passed.exists()


def verdict() -> Problem | None:
    """Runs them and notes that they passed; an error if one is wrong, a warning if they could not be run."""
    lines, error = _run()
    if not lines:
        hint = "so what it computes here is not checked"
        return Problem("self-test", f"JAX did not start a second time: {error}", hint, severity="warning")
    if faults := list(_faults(lines)):
        return _told(faults)
    circumstances = _circumstances()
    if passed := _place(circumstances):
        with suppress(WriteError):
            write_text(passed, circumstances)
    return None


def _place(circumstances: str) -> Path | None:
    """The file that says that the kernels have passed; None where there is no cache to keep it in."""
    with suppress(CacheError):
        return private("selftest") / hashlib.sha256(circumstances.encode()).hexdigest()[:24]
    return None


def _told(faults: list[str]) -> Problem:
    flags = os.environ.get("XLA_FLAGS", "")
    told = f"computes wrong on this machine{f' with XLA_FLAGS={flags!r}' if flags else ''}: {', '.join(faults)}"
    flag = f"{YNN}=-reduce"
    first = "take out of XLA_FLAGS what you added" if flag in flags else f"set XLA_FLAGS={flag} before JAX starts"
    cure = f"{first}, or install another jaxlib; {VARIABLE}=0 goes on regardless"
    return Problem(f"jaxlib {version('jaxlib')}", told, cure)


def _faults(lines: list[str]) -> Iterator[str]:
    """The kernels that are off, and how; the one that the program did not get to the end of."""
    for name, ended, off in (line.partition("\t") for line in lines):
        if ended and not off:
            yield f"{name} (crashed or hung)"
        elif ended and not float(off) <= TOLERANCE:
            yield f"{name} ({'not a number' if off == 'nan' else f'off by {float(off):.2g} of the largest value'})"
    if lines[-1] != "end" and not lines[-1].endswith("\t"):
        last, _, _ = lines[-1].partition("\t")
        yield f"what comes after '{last}' (crashed)"


def _run() -> tuple[list[str], str]:
    """(lines that the program of kernels prints, the last one of its errors).

    It has a session of its own, so that Ctrl-C reaches only the process that waits for it.
    """
    path = os.pathsep.join(p for p in sys.path if p)
    variables = {**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_COMPILATION_CACHE": "0"}
    command = [sys.executable, "-P", str(KERNELS)]  # -P: what lies beside the program is not to be imported
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, timeout=PATIENCE, start_new_session=True
        )
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode().splitlines(), ""
    except OSError as error:
        return [], str(error)
    return done.stdout.splitlines(), (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]


def _circumstances() -> str:
    """All that the result depends on."""
    versions = (f"{name} {version(name)}" for name in ("jax", "jaxlib", "numpy"))
    named = sorted(n for n in os.environ if n.startswith(("XLA_", "JAX_")) and "CACHE" not in n)
    variables = (f"{name}={os.environ[name]}" for name in named)
    kernels = hashlib.sha256(KERNELS.read_bytes()).hexdigest()
    python = f"python {platform.python_version()} {sys.executable}"
    return "\n".join([*versions, python, *variables, identity(), f"{cores()} cores", f"kernels {kernels}", ""])
