"""What the device can do at most, to hold times against: the rate of a large float32 matrix product."""

from collections.abc import Callable
from typing import Any

import numpy as np

from slimtrain.lazy import jax, jnp

_SIDES = {"cpu": 1536}
_SIDE = 8192


def product() -> tuple[Callable[[], Any], int]:
    """A product of two square matrices, compiled, that takes some hundredths of a second; and its operations."""
    side = _SIDES.get(jax.default_backend(), _SIDE)
    one = jnp.asarray(np.random.default_rng(0).standard_normal((side, side), np.float32))
    multiply = jax.jit(jnp.matmul)
    return lambda: multiply(one, one), 2 * side**3
