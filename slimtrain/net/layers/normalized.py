"""A batch's normalization in training, its gradient by hand: three passes over the inputs forward, two backward, and
only the inputs and a few numbers a channel kept between them.

XLA sums columns on CPUs slowly, in one thread. There a few rows are first taken together, which is elementwise work
that all cores share, and the sums go over what is left. Each group's variance is about its own mean, and the means'
variance is added: nothing cancels, however far from zero the values are.
"""

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import Any

from slimtrain.lazy import Array, jax, jnp, lax
from slimtrain.net.layers.common import along
from slimtrain.net.layers.moments import Moments

Center = tuple[Array, Array]
"""A mean in two parts, [channels] each, to be subtracted one after the other: their sum may round."""
MOST, LEAST, LEFT = 8, 4, 32
"""Rows to take together, at most and at least, and how many groups must be left for it to gain anything."""


def normalized(
    inputs: Array, gamma: Array | None, beta: Array | None, epsilon: float, axis: int
) -> tuple[Array, Moments]:
    """(inputs normalized by their own statistics, times gamma, plus beta; the statistics).

    Args:
        inputs: of any floating type; computed in float32 at least, returned in theirs.
        gamma: [channels], or None for 1.
        beta: [channels], or None for 0.
        epsilon: added to the variance.
        axis: of the channels, -1 or 1.

    Source: Ioffe and Szegedy, 2015, algorithm 1 and the gradients below it.
    """
    count = inputs.size // inputs.shape[axis]

    def forward(inputs: Array, gamma: Array | None, beta: Array | None) -> tuple[Array, Array, Array]:
        return kept(inputs, gamma, beta)[0]

    def kept(inputs: Array, gamma: Array | None, beta: Array | None) -> tuple[tuple[Array, Array, Array], Any]:
        center, variance = _statistics(inputs, axis)
        factor = lax.rsqrt(variance + epsilon)
        scaled = factor if gamma is None else factor * gamma
        outputs = _centered(inputs, center, axis) * along(scaled, axis, inputs.ndim)
        if beta is not None:
            outputs = outputs + along(beta, axis, inputs.ndim)
        return (outputs.astype(inputs.dtype), center[0] + center[1], variance), (inputs, center, factor, gamma)

    def backward(kept: Any, gradients: tuple[Array, Array, Array]) -> tuple[Array, Array | None, Array | None]:
        inputs, center, factor, gamma = kept
        gradient, of_mean, of_variance = gradients
        total, product = _gradient_sums(inputs, gradient, center, axis)
        of_gamma = product * factor
        scaled = factor if gamma is None else factor * gamma
        slope = (2 * of_variance - scaled * factor * of_gamma) / count
        offset = (of_mean - scaled * total) / count
        scaled, slope, offset = (along(values, axis, inputs.ndim) for values in (scaled, slope, offset))
        of_inputs = scaled * gradient + slope * _centered(inputs, center, axis) + offset
        return of_inputs.astype(inputs.dtype), None if gamma is None else of_gamma, None if beta is None else total

    function = jax.custom_vjp(forward)
    function.defvjp(kept, backward)
    outputs, mean, variance = function(inputs, gamma, beta)
    return outputs, Moments(mean, variance, count)


def _wide(values: Array) -> Array:
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def _centered(values: Array, center: Center, axis: int) -> Array:
    for part in center:
        values = _wide(values) - along(part, axis, values.ndim)
    return values


def _statistics(inputs: Array, axis: int) -> tuple[Center, Array]:
    """(mean, biased variance) of each channel."""
    others = tuple(a for a in range(inputs.ndim) if a != axis % inputs.ndim)
    size = _together(inputs.shape, axis)

    def plain(inputs: Array) -> tuple[Center, Array]:
        mean = jnp.mean(_wide(inputs), others)
        center = mean, jnp.zeros_like(mean)
        return center, jnp.mean(jnp.square(_centered(inputs, center, axis)), others)

    def grouped(inputs: Array) -> tuple[Center, Array]:
        # One pixel of each example is about where the mean is, and each device has its own of them.
        shift = jnp.mean(_wide(inputs).reshape((len(inputs), -1, inputs.shape[-1]))[:, 0], 0)
        rows = [row - shift for row in _apart(inputs, size)]
        means = reduce(jnp.add, rows) / size
        squares = reduce(jnp.add, [jnp.square(row - means) for row in rows])
        means, squares = _held(means, squares)
        mean = jnp.mean(means, 0)
        spread = size * jnp.sum(jnp.square(means - mean), 0) + jnp.sum(squares, 0)
        return (shift, mean), spread / (size * len(means))

    return lax.platform_dependent(inputs, cpu=grouped if size > 1 else plain, default=plain)  # type: ignore[no-any-return]


def _gradient_sums(inputs: Array, gradient: Array, center: Center, axis: int) -> tuple[Array, Array]:
    """The sums over each channel of the gradient, and of it times the centered inputs."""
    others = tuple(a for a in range(inputs.ndim) if a != axis % inputs.ndim)
    size = _together(inputs.shape, axis)

    def plain(inputs: Array, gradient: Array, center: Center) -> tuple[Array, Array]:
        wide = _wide(gradient)
        return jnp.sum(wide, others), jnp.sum(wide * _centered(inputs, center, axis), others)

    def grouped(inputs: Array, gradient: Array, center: Center) -> tuple[Array, Array]:
        parts = _apart(gradient, size)
        rows = [_centered(row, center, -1) for row in _apart(inputs, size)]
        sums = _held(reduce(jnp.add, parts), reduce(jnp.add, [p * r for p, r in zip(parts, rows, strict=True)]))
        return jnp.sum(sums[0], 0), jnp.sum(sums[1], 0)

    cpu = grouped if size > 1 else plain
    return lax.platform_dependent(inputs, gradient, center, cpu=cpu, default=plain)  # type: ignore[no-any-return]


def _together(shape: Sequence[int], axis: int) -> int:
    """How many rows to take together; 1 for none.

    They are rows of one example where its rows divide by such a number: a batch over several devices stays there.
    """
    example = prod(shape[1:-1])
    if axis != -1 or example == 1:
        return 1
    counts = example, shape[0] * example
    sizes = (size for count in counts for size in range(MOST, LEAST - 1, -1) if count % size == 0)
    return next((size for size in sizes if counts[1] // size > LEFT), 1)


def _apart(values: Array, size: int) -> list[Array]:
    """The first rows of all groups, the second ones and so on: `size` arrays [groups, channels]."""
    groups = values.reshape((-1, size, values.shape[-1]))
    return [_wide(lax.index_in_dim(groups, place, 1, keepdims=False)) for place in range(size)]


def _held(*values: Array) -> tuple[Array, ...]:
    """The values as they are, computed by themselves: else they would be part of the sums over them, in one thread."""
    return lax.optimization_barrier(values)  # type: ignore[no-any-return,no-untyped-call]
