"""Sums over all pixels of each channel, and of all squares: what batch norms, biases and penalties need, in one pass.

XLA sums columns on CPUs slowly, in one thread. Without the native part a few rows are first taken together there, which
is elementwise work that all cores share, and the sums go over what is left.
"""

from collections.abc import Sequence
from functools import reduce
from math import gcd, prod

from slimtrain.lazy import Array, jax, jnp, lax
from slimtrain.net.native_calls import with_target

MOST, LEAST, LEFT = 8, 4, 32
"""Rows to take together, at most and at least, and how many groups must be left for it to gain anything."""
COLUMNS = 128
"""Columns to sum an array of any shape in, or as many as divide it."""


def _powers(values: Array, shift: Array) -> Array:
    def plain(values: Array, shift: Array) -> Array:
        return _totals(values - shift, jnp.square(values - shift))

    def grouped(values: Array, shift: Array) -> Array:
        rows = [row - shift for row in _apart(values, size)]
        return _totals(*_held(reduce(jnp.add, rows), reduce(jnp.add, map(jnp.square, rows))))

    size = _together(values.shape)
    cpu = grouped if size > 1 else plain
    return lax.platform_dependent(values, shift, cpu=cpu, default=plain)  # type: ignore[no-any-return]


def _products(values: Array, others: Array, shift: Array) -> Array:
    def plain(values: Array, others: Array, shift: Array) -> Array:
        return _totals(values, values * (others - shift))

    def grouped(values: Array, others: Array, shift: Array) -> Array:
        ones, twos = _apart(values, size), [row - shift for row in _apart(others, size)]
        products = [one * two for one, two in zip(ones, twos, strict=True)]
        return _totals(*_held(reduce(jnp.add, ones), reduce(jnp.add, products)))

    size = _together(values.shape)
    cpu = grouped if size > 1 else plain
    return lax.platform_dependent(values, others, shift, cpu=cpu, default=plain)  # type: ignore[no-any-return]


channel_powers = with_target("channel_powers", _powers)
"""(values [..., channels], shift [channels]) -> [2, channels]: sums of values - shift, and of its square."""

channel_products = with_target("channel_products", _products)
"""(values, others [..., channels], shift [channels]) -> [2, channels]: sums of values, and of them times
others - shift."""


def channel_sums(values: Array) -> Array:
    """[..., channels] -> [channels]: the sum of each."""
    return _unshifted(values)[0]


def _unshifted(values: Array) -> Array:
    """[2, channels]: sums of the values, and of their squares."""
    return channel_powers(values, jnp.zeros(values.shape[-1:], values.dtype))  # type: ignore[no-any-return]


def add_channels(values: Array, biases: Array) -> Array:
    """[..., channels] plus [channels], whose gradient by the biases is summed in one pass."""

    def added(values: Array, biases: Array) -> tuple[Array, None]:
        return values + biases, None

    def back(_: None, gradient: Array) -> tuple[Array, Array]:
        return gradient, channel_sums(gradient)

    function = jax.custom_vjp(lambda values, biases: values + biases)
    function.defvjp(added, back)
    return function(values, biases)  # type: ignore[no-any-return]


def square_sum(values: Array) -> Array:
    """The sum of the squares of an array's values, a scalar; its gradient is 2 * values."""
    columns = gcd(values.size, COLUMNS)

    def summed(values: Array) -> Array:
        return _unshifted(values.reshape(-1, columns))[1].sum()

    if not values.size:
        return jnp.zeros((), values.dtype)
    function = jax.custom_vjp(summed)
    function.defvjp(lambda values: (summed(values), values), lambda values, gradient: (2 * gradient * values,))
    return function(values)


def _totals(ones: Array, twos: Array) -> Array:
    axes = tuple(range(ones.ndim - 1))
    return jnp.stack([jnp.sum(ones, axes), jnp.sum(twos, axes)])


def _together(shape: Sequence[int]) -> int:
    """How many rows to take together; 1 for none.

    They are rows of one example where its rows divide by such a number: a batch over several devices stays there.
    """
    example = prod(shape[1:-1])
    if len(shape) < 3 or not prod(shape):
        return 1
    counts = example, shape[0] * example
    sizes = (size for count in counts for size in range(MOST, LEAST - 1, -1) if count % size == 0)
    return next((size for size in sizes if counts[1] // size > LEFT), 1)


def _apart(values: Array, size: int) -> list[Array]:
    """The first rows of all groups, the second ones and so on: `size` arrays [groups, channels]."""
    groups = values.reshape((-1, size, values.shape[-1]))
    return [lax.index_in_dim(groups, place, 1, keepdims=False) for place in range(size)]


def _held(*values: Array) -> tuple[Array, ...]:
    """The values as they are, computed by themselves: else they would be part of the sums over them, in one thread."""
    return lax.optimization_barrier(values)  # type: ignore[no-any-return,no-untyped-call]
