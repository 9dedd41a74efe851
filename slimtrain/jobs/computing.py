"""Whether JAX is there, starts, and computes right and fast: a part of the check-up."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from slimtrain import backend
from slimtrain.jobs.findings import Finding, Mark

NEEDED = ("jax", "jaxlib", "numpy", "optax", "pydantic", "pyyaml", "safetensors", "click", "tqdm")
OPTIONAL = {"onednn-cpu-gomp": "cpu", "pillow": "images", "cramjam": "tf"}
"""Packages that only some data need, with the extra that installs each."""
ASK = "import json, jax; d = jax.devices(); print(json.dumps([jax.default_backend(), [v.device_kind for v in d]]))"
PATIENCE = 120.0  # seconds; a device that another process holds can block for ever


def packages() -> Iterator[Finding]:
    """The versions of what slimtrain stands on."""
    for name in NEEDED:
        found = installed(name)
        if found is None:
            yield Finding(name, "problem", "is not installed", "pip install --force-reinstall slimtrain")
        elif (name, found) == ("jaxlib", "0.10.2") and f"{backend.YNN}=-reduce" not in os.environ.get("XLA_FLAGS", ""):
            told = f"{found}, which computes some sums wrong unless XLA_FLAGS has {backend.YNN}=-reduce"
            yield Finding(name, "warning", told, "take out of XLA_FLAGS what says otherwise, or upgrade jaxlib")
        else:
            yield Finding(name, "ok", found)
    for name, extra in OPTIONAL.items():
        there = installed(name)
        yield Finding(name, "ok", there or f"not installed; where it is needed: pip install 'slimtrain[{extra}]'")


def installed(name: str) -> str | None:
    """The version of a package; None where it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def devices() -> tuple[str, list[Finding]]:
    """JAX's backend, empty where JAX does not start, and what is to say of its devices.

    JAX is asked in a process of its own, since flags and drivers that do not fit end the one that starts it.
    """
    answer, error = _asked()
    if answer is None:
        upgrade = "pip install --upgrade jax jaxlib"
        cure = f"try without {' and '.join(named)}; else {upgrade}" if (named := _suspects()) else upgrade
        return "", [Finding("devices", "problem", f"JAX does not start: {error}", cure)]
    name, kinds = answer
    told = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
    if name == "cpu" and shutil.which("nvidia-smi") and "JAX_PLATFORMS" not in os.environ:
        cure = "install JAX for it: https://docs.jax.dev/en/latest/installation.html"
        return name, [Finding("devices", "warning", f"{told}; there is a GPU too, which JAX does not use", cure)]
    return name, [Finding("devices", "ok", f"{told} ({name})")]


def _suspects() -> list[str]:
    """Variables of the user's that can keep JAX from starting."""
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(backend.YNN)]
    others = (name for name in ("JAX_PLATFORMS", "LD_PRELOAD", "LD_LIBRARY_PATH") if os.environ.get(name))
    return [*(["XLA_FLAGS"] * bool(flags)), *others]


def _asked() -> tuple[tuple[str, list[str]] | None, str]:
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", ASK], capture_output=True, text=True, timeout=PATIENCE, env=variables
        )
        answer: Any = json.loads(done.stdout.splitlines()[-1])
        return (answer[0], answer[1]), ""
    except subprocess.TimeoutExpired:
        return None, f"no answer in {PATIENCE:.0f} s"
    except OSError as error:
        return None, str(error)
    except (ValueError, IndexError):
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        return None, (lines or [f"exit code {done.returncode}"])[-1][:300]


def numbers(say: Callable[[str], None]) -> Iterator[Finding]:
    """The self-test: that it has passed before, or what it comes to now."""
    from slimtrain.jobs import selftest

    subject = "self-test"
    if os.environ.get(selftest.VARIABLE) == "0":
        told = f"left out ({selftest.VARIABLE}=0): what JAX computes here is not checked"
        yield Finding(subject, "warning", told, f"unset {selftest.VARIABLE}")
    elif not selftest.wanted():
        yield Finding(subject, "ok", "is for CPUs only")
    elif selftest.has_passed():
        yield Finding(subject, "ok", "passed before, with these versions and flags on this processor")
    else:
        say("checking JAX on this machine against float64")
        found = selftest.verdict()
        if found is None:
            yield Finding(subject, "ok", "passed: JAX computes right on this machine")
        else:
            mark: Mark = "problem" if found.severity == "error" else "warning"
            yield Finding(subject, mark, f"{found.where} {found.what}", found.hint)


def native_part(say: Callable[[str], None]) -> Iterator[Finding]:
    """The native part, built now if it was not: which, or why not."""
    from slimtrain import native

    found = native.state(lambda: say("building the native part for this machine"))
    told, _, cure = found.told.partition("; ")
    yield Finding("native part", "ok" if found.ready else "warning", told, cure.rstrip(")") if cure else _cure(found))


def _cure(found: Any) -> str:
    from slimtrain.native import SWITCH

    if found.ready:
        return ""
    return f"unset {SWITCH}" if os.environ.get(SWITCH) == "0" else "training works, but convolutions are slower"
