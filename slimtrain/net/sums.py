"""Sums over all pixels of each channel: what batch norms and biases need, in one pass over the data."""

from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.native_calls import with_target


def _powers(values: Array, shift: Array) -> Array:
    moved = values - shift
    axes = tuple(range(values.ndim - 1))
    return jnp.stack([jnp.sum(moved, axes), jnp.sum(jnp.square(moved), axes)])


def _products(values: Array, others: Array, shift: Array) -> Array:
    axes = tuple(range(values.ndim - 1))
    return jnp.stack([jnp.sum(values, axes), jnp.sum(values * (others - shift), axes)])


channel_powers = with_target("channel_powers", _powers)
"""(values [..., channels], shift [channels]) -> [2, channels]: sums of values - shift, and of its square."""

channel_products = with_target("channel_products", _products)
"""(values, others [..., channels], shift [channels]) -> [2, channels]: sums of values, and of them times
others - shift."""


def add_channels(values: Array, biases: Array) -> Array:
    """[..., channels] plus [channels], whose gradient by the biases is summed in one pass."""

    def added(values: Array, biases: Array) -> tuple[Array, None]:
        return values + biases, None

    def back(_: None, gradient: Array) -> tuple[Array, Array]:
        return gradient, channel_powers(gradient, jnp.zeros(gradient.shape[-1:], gradient.dtype))[0]

    function = jax.custom_vjp(lambda values, biases: values + biases)
    function.defvjp(added, back)
    return function(values, biases)  # type: ignore[no-any-return]
