"""Generalized divisive normalization."""

from collections.abc import Callable
from typing import Any, Literal

from slimtrain.config.catalog import layer
from slimtrain.config.values import NonNegative, Positive
from slimtrain.lazy import Array, jax, jnp, lax
from slimtrain.net.scope import LayerError, Scope, shown


@layer(scope="gdn")
def gdn(
    scope: Scope,
    inputs: Array,
    *,
    inverse: bool = False,
    beta_min: Positive = 1e-6,
    gamma_init: NonNegative = 0.1,
    reparam_offset: Positive = 2**-18,
    data_format: Literal["channels_last", "channels_first"] = "channels_last",
) -> Array:
    """Divides each channel by sqrt(beta_i + sum_j gamma_ji x_j^2), the pooled energy of all channels.

    Variables: `reparam_beta` [channels] and `reparam_gamma` [channels, channels], stored as sqrt(value + offset^2).

    Args:
        inverse: multiply instead of dividing.
        beta_min: lower bound of beta.
        gamma_init: start of gamma's diagonal.
        reparam_offset: keeps the parameters' gradients away from zero.
        data_format: channels_last or channels_first.

    Returns:
        The inputs' shape.

    Raises:
        LayerError: inputs of another rank than 3, 4 or 5.

    Source: TF-Slim layers, gdn (Balle et al., 2015).
    """
    if not 3 <= inputs.ndim <= 5:
        raise LayerError(f"expects inputs of rank 3, 4 or 5, got {shown(inputs.shape)}")
    values = jnp.moveaxis(inputs, 1, -1) if data_format == "channels_first" else inputs
    channels, offset = values.shape[-1], reparam_offset**2

    def ones(key: Any, shape: Any, dtype: Any) -> Array:
        return jnp.sqrt(jnp.ones(shape, dtype) + offset)

    def diagonal(key: Any, shape: Any, dtype: Any) -> Array:
        return jnp.sqrt(gamma_init * jnp.eye(channels, dtype=dtype) + offset)

    beta = scope.variable("reparam_beta", (channels,), ones)
    gamma = scope.variable("reparam_gamma", (channels, channels), diagonal)
    beta = jnp.square(at_least((beta_min + offset) ** 0.5)(beta)) - offset
    gamma = jnp.square(at_least(reparam_offset)(gamma)) - offset
    scope.cost(2 * values.size * channels)
    energy = jnp.square(values) @ gamma.astype(values.dtype) + beta.astype(values.dtype)
    outputs = values * (jnp.sqrt(energy) if inverse else lax.rsqrt(energy))
    return jnp.moveaxis(outputs, -1, 1) if data_format == "channels_first" else outputs


def at_least(bound: float) -> Callable[[Array], Array]:
    """max(x, bound), whose gradient also passes below the bound where it leads back up."""

    @jax.custom_vjp
    def limit(x: Array) -> Array:
        return jnp.maximum(x, bound)

    def forward(x: Array) -> tuple[Array, Array]:
        return limit(x), x

    def backward(x: Array, gradient: Array) -> tuple[Array]:
        return (jnp.where((x >= bound) | (gradient < 0), gradient, 0.0),)

    limit.defvjp(forward, backward)
    return limit
