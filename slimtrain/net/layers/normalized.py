"""A batch's normalization in training, its gradient by hand: one pass over inputs and gradient for both sums, one for
the gradient by the inputs, and nothing kept for them but the inputs and a few numbers a channel.

XLA sums columns slowly on CPUs, in one thread. There a few rows are first taken together, which is elementwise work
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
TOGETHER, GROUPS = 8, 32
"""Rows of an example to take together, and how many groups there must be more than for it to gain anything."""


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
    count, centered = inputs.size // inputs.shape[axis], beta is not None

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
        return of_inputs.astype(inputs.dtype), None if gamma is None else of_gamma, total if centered else None

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

    def plain(inputs: Array) -> tuple[Center, Array]:
        mean = jnp.mean(_wide(inputs), others)
        center = mean, jnp.zeros_like(mean)
        return center, jnp.mean(jnp.square(_centered(inputs, center, axis)), others)

    def grouped(inputs: Array) -> tuple[Center, Array]:
        # One row of each example is about where the mean is, and each device has its own of them.
        shift = jnp.mean(_wide(inputs.reshape((len(inputs), -1, inputs.shape[-1]))[:, 0]), 0)
        rows, rest = _apart(inputs)
        rows, rest = [row - shift for row in rows], rest - shift
        means = reduce(jnp.add, rows) / TOGETHER
        squares = reduce(jnp.add, [jnp.square(row - means) for row in rows])
        means, squares = _held(means, squares)
        count = inputs.size // inputs.shape[-1]
        mean = (TOGETHER * _sum(means) + _sum(rest)) / count
        spread = TOGETHER * _sum(jnp.square(means - mean)) + _sum(squares) + _sum(jnp.square(rest - mean))
        return (shift, mean), spread / count

    cpu = grouped if _groups(inputs.shape, axis) > GROUPS else plain
    return lax.platform_dependent(inputs, cpu=cpu, default=plain)  # type: ignore[no-any-return]


def _gradient_sums(inputs: Array, gradient: Array, center: Center, axis: int) -> tuple[Array, Array]:
    """The sums over each channel of the gradient, and of it times the centered inputs."""
    others = tuple(a for a in range(inputs.ndim) if a != axis % inputs.ndim)

    def plain(inputs: Array, gradient: Array, center: Center) -> tuple[Array, Array]:
        wide = _wide(gradient)
        return jnp.sum(wide, others), jnp.sum(wide * _centered(inputs, center, axis), others)

    def grouped(inputs: Array, gradient: Array, center: Center) -> tuple[Array, Array]:
        rows, rest = _apart(inputs)
        parts, left = _apart(gradient)
        products = [part * _centered(row, center, -1) for part, row in zip(parts, rows, strict=True)]
        total, product = _held(reduce(jnp.add, parts), reduce(jnp.add, products))
        return _sum(total) + _sum(left), _sum(product) + _sum(left * _centered(rest, center, -1))

    cpu = grouped if _groups(inputs.shape, axis) > GROUPS else plain
    return lax.platform_dependent(inputs, gradient, center, cpu=cpu, default=plain)  # type: ignore[no-any-return]


def _groups(shape: Sequence[int], axis: int) -> int:
    """How many groups of rows there are. They are of one example: a batch over several devices stays there."""
    return shape[0] * (prod(shape[1:-1]) // TOGETHER) if axis == -1 else 0


def _apart(values: Array) -> tuple[list[Array], Array]:
    """The first rows of all groups, the second ones and so on, and the rows that are left; [rows, channels] each."""
    channels = values.shape[-1]
    rows = _wide(values.reshape((len(values), -1, channels)))
    end = rows.shape[1] // TOGETHER * TOGETHER
    groups = rows[:, :end].reshape((-1, TOGETHER, channels))
    apart = [lax.index_in_dim(groups, place, 1, keepdims=False) for place in range(TOGETHER)]
    return apart, rows[:, end:].reshape((-1, channels))


def _sum(rows: Array) -> Array:
    return jnp.sum(rows, 0)


def _held(*values: Array) -> tuple[Array, ...]:
    """The values as they are, computed by themselves: else they would be part of the sums over them, in one thread."""
    return lax.optimization_barrier(values)  # type: ignore[no-any-return,no-untyped-call]
