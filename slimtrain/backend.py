"""What has to be set before JAX starts, added to the user's own settings and never in their place."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version

YNN = "--xla_cpu_experimental_ynn_fusion_type"


def prepare() -> None:
    """Switches off what is known to compute wrong numbers in the installed jaxlib; does nothing where the user set it.

    jaxlib 0.10.2, the newest for Python 3.11, fuses some reductions into wrong results on CPUs (jax#39103) and crashes
    in others (jax#39257); 0.12 does not. Once JAX has started it would come too late, and is left for the self-test.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if _jaxlib() == "0.10.2" and YNN not in flags and not _started():
        os.environ["XLA_FLAGS"] = f"{flags} {YNN}=-reduce".strip()


def _jaxlib() -> str:
    try:
        return version("jaxlib")
    except PackageNotFoundError:
        return ""


def _started() -> bool:
    """Whether JAX has opened a device, when it has read its flags for good."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bool(getattr(bridge, "_backends", None))
