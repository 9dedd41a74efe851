"""What has to be set before JAX starts, added to the user's own settings and never in their place."""

import os
from importlib.metadata import PackageNotFoundError, version

YNN = "--xla_cpu_experimental_ynn_fusion_type"


def prepare() -> None:
    """Switches off what is known to compute wrong numbers in the installed jaxlib; does nothing where the user set it.

    jaxlib 0.10.2, the newest for Python 3.11, fuses some reductions into wrong results on CPUs (jax#39103); later
    ones do not.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if _jaxlib() == "0.10.2" and YNN not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {YNN}=-reduce".strip()


def _jaxlib() -> str:
    try:
        return version("jaxlib")
    except PackageNotFoundError:
        return ""
