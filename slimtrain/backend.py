"""What has to be set before JAX starts, added to the user's own settings and never in their place."""

import os
import sys

from slimtrain import programs
from slimtrain.lazy import jax
from slimtrain.programs import CACHE, jaxlib

YNN = "--xla_cpu_experimental_ynn_fusion_type"


def prepare() -> None:
    """Switches off what computes wrong numbers in the installed jaxlib, and has compiled programs kept between runs.

    jaxlib 0.10.2, the newest for Python 3.11, fuses some reductions into wrong results on CPUs (jax#39103) and crashes
    in others (jax#39257); 0.12 does not. Once JAX has started it would come too late, and is left for the self-test.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if jaxlib() == "0.10.2" and YNN not in flags and not _started():
        os.environ["XLA_FLAGS"] = f"{flags} {YNN}=-reduce".strip()
    if CACHE not in os.environ and (folder := programs.directory()) is not None:
        programs.clear(folder)
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


def compute_in_turn() -> None:
    """Has a CPU finish a step before the call for it returns; only where JAX has not started.

    Behind the caller's back it would give a step's buffers back a moment after its results are there, when the next
    step has asked for its own: twice the memory, for what a loop of long steps gains nothing from.
    """
    if not _started():
        jax.config.update("jax_cpu_enable_async_dispatch", False)  # type: ignore[no-untyped-call]


def _started() -> bool:
    """Whether JAX has opened a device, when it has read its flags for good."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bool(getattr(bridge, "_backends", None))
