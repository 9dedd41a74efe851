"""Draws of yes or no: `jax.random.bernoulli`, which the native part computes where it is there, to the same bits.

XLA writes and reads whole arrays of bits on the way to them.
"""

from collections.abc import Sequence
from typing import Any

from slimtrain.lazy import Array, jax
from slimtrain.net.native_calls import with_target

THREEFRY = "threefry2x32"


def bernoulli(key: Array, probability: float, shape: Sequence[int]) -> Array:
    """True with a probability, by itself at each place of a shape.

    Args:
        key: a random key.
        probability: 0 to 1, rounded to float32.
        shape: of the draws.
    """
    usual = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
    if not usual or str(jax.random.key_impl(key)) != THREEFRY:  # the user's own choice, which draws otherwise
        return jax.random.bernoulli(key, probability, tuple(shape))
    return _bernoulli(jax.random.key_data(key), probability=float(probability), shape=tuple(shape))  # type: ignore[no-any-return]


def _plain(data: Array, *, probability: float, shape: tuple[int, ...]) -> Array:
    return jax.random.bernoulli(jax.random.wrap_key_data(data, impl=THREEFRY), probability, shape)


def _told(probability: float, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"probability": probability}


_bernoulli = with_target("bernoulli", _plain, _told, any_type=True)
