"""Sums on the device whose rounding does not show: what they give is the same however the examples are batched."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slimtrain.lazy import Array, jnp, lax


class Exact(NamedTuple):
    """Sums in two parts: the rounded ones, and what rounding took away."""

    high: Array
    low: Array

    def float64(self) -> NDArray[np.float64]:
        """The sums in float64, on the host."""
        high = np.asarray(self.high, np.float64)
        return high + np.where(np.isfinite(high), self.low, 0.0)


def exact_sum(values: Array, mask: Array) -> Exact:
    """The sums over the first axis, of the rows whose mask is not 0; the others may hold anything.

    Whole numbers and truths are counted; floats keep what rounding takes away.

    Source: the error of each addition is Knuth's TwoSum (The Art of Computer Programming 2, 4.2.2).
    """
    # The choice also keeps a product that made the values out of the additions: fused into one of them it would not be
    # rounded, and which one it is depends on the size of the batch.
    chosen = jnp.where(mask.reshape(-1, *(1,) * (values.ndim - 1)) != 0, values, jnp.zeros_like(values))
    if not jnp.issubdtype(values.dtype, jnp.floating):
        high = jnp.sum(chosen, 0, dtype=jnp.int32)
        return Exact(high, jnp.zeros_like(high))
    high = chosen.astype(jnp.float32)
    low = jnp.zeros_like(high)
    while len(high) > 1:
        high, low = _halved(high, low)
    return Exact(high[0], low[0])


def _halved(high: Array, low: Array) -> tuple[Array, Array]:
    """The second half of the rows added to the first."""
    if len(high) % 2:
        nothing = jnp.zeros_like(high[:1])
        high, low = jnp.concatenate([high, nothing]), jnp.concatenate([low, nothing])
    half = len(high) // 2
    one, other = high[:half], high[half:]
    total = one + other
    back = total - one
    error = (one - (total - back)) + (other - back)
    return total, low[:half] + low[half:] + error


def exact_product(one: Array, other: Array) -> tuple[Array, Array]:
    """The products of two arrays of float32, in two parts.

    Source: Dekker (1971), A floating-point technique for extending the available precision.
    """
    (a, b), (c, d) = _split(one), _split(other)
    product = one * other
    return product, ((a * c - product) + a * d + b * c) + b * d


def _split(values: Array) -> tuple[Any, Any]:
    """Numbers as sums of two that have half as many digits."""
    upper = lax.reduce_precision(values, exponent_bits=8, mantissa_bits=11)
    return upper, values - upper
