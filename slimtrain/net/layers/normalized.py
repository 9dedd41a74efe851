"""Batch normalization by the batch's own statistics: one pass over the data forward, two backward.

The variance is the mean square less the squared mean, both of values less a shift that is near the mean: without the
shift, float32 has no digits left for values far from zero. Source: Chan, Golub and LeVeque, 1983, section 3.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.layers.moments import Moments
from slimtrain.net.sums import channel_powers, channel_products


def normalized(
    inputs: Array, gamma: Array | None, beta: Array | None, epsilon: float, axis: int
) -> tuple[Array, Moments]:
    """(gamma (inputs - mean) / sqrt(variance + epsilon) + beta, the batch's statistics), in float32 at least.

    Args:
        inputs: of rank 2 or more.
        gamma: [channels], or None for one.
        beta: [channels], or None for zero.
        epsilon: added to the variance.
        axis: of the channels.
    """
    last = jnp.moveaxis(inputs, axis, -1)
    wide = jnp.promote_types(inputs.dtype, jnp.float32)
    channels = last.shape[-1]
    scale = jnp.ones(channels, wide) if gamma is None else gamma.astype(wide)
    offset = jnp.zeros(channels, wide) if beta is None else beta.astype(wide)
    outputs, mean, variance = _differentiated(epsilon, wide)(last, scale, offset)
    return jnp.moveaxis(outputs, -1, axis), Moments(mean, variance, prod(last.shape[:-1]))


def _differentiated(epsilon: float, wide: Any) -> Callable[..., tuple[Array, Array, Array]]:
    def forward(inputs: Array, gamma: Array, beta: Array) -> tuple[tuple[Array, Array, Array], Any]:
        values = inputs.astype(wide)
        shift, moved, variance = _statistics(values)
        pace = jax.lax.rsqrt(variance + epsilon)
        outputs = (values - shift - moved) * (pace * gamma) + beta
        return (outputs.astype(inputs.dtype), shift + moved, variance), (inputs, gamma, shift, moved, pace)

    def backward(kept: Any, gradients: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        inputs, gamma, shift, moved, pace = kept
        of_outputs, of_mean, of_variance = gradients
        values, upward, count = inputs.astype(wide), of_outputs.astype(wide), float(prod(inputs.shape[:-1]))
        sums = channel_products(upward, values, shift)
        of_gamma = (sums[1] - moved * sums[0]) * pace
        # All that does not depend on the pixel is gathered first, so that each pixel takes two multiply-adds.
        slope = (2.0 * of_variance - gamma * pace * pace * of_gamma) / count
        level = (of_mean - gamma * pace * sums[0]) / count
        of_inputs = upward * (gamma * pace) + (values - shift - moved) * slope + level
        return of_inputs.astype(inputs.dtype), of_gamma, sums[0]

    function = jax.custom_vjp(lambda inputs, gamma, beta: forward(inputs, gamma, beta)[0])
    function.defvjp(forward, backward)
    return function


def _statistics(values: Array) -> tuple[Array, Array, Array]:
    """(shift, mean less shift, biased variance) of each channel, the last axis; the mean by itself would be rounded."""
    count = float(prod(values.shape[:-1]))  # which may be more than 32 bits hold
    shift = _near_mean(values)
    sums = channel_powers(values, shift)
    moved = sums[0] / count
    return shift, moved, jnp.maximum(sums[1] / count - jnp.square(moved), 0.0)


def _near_mean(values: Array) -> Array:
    """The mean over the examples of the pixel in their middle: a shift that is good enough, for little work."""
    middle = tuple(n // 2 for n in values.shape[1:-1])
    return jnp.mean(values[(slice(None), *middle)], 0)
