"""What batch norm may put on a batch's normalization in training: batch renormalization, a random adjustment."""

from collections.abc import Callable, Mapping
from typing import Any

from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.components import ones, zeros
from slimtrain.net.layers.moments import Moments, Share, Table, moved
from slimtrain.net.scope import Scope

Clipping = Mapping[str, Callable[..., Array]]


def renorm_variables(table: Table) -> None:
    """Batch renormalization's own averages, started from the moving ones' initializers."""
    mean = table.initializers.get("moving_mean", zeros)
    variance = table.initializers.get("moving_variance", ones)

    def root(key: Any, shape: Any, dtype: Any) -> Array:
        return jnp.sqrt(variance(key, shape, dtype))

    table.statistic("moving_stddev", root)
    table.statistic("renorm_mean", mean)
    table.statistic("renorm_stddev", root)


def renorm_correction(scope: Scope, moments: Moments, epsilon: float, clipping: Clipping) -> tuple[Array, Array]:
    """(r, d): factor and shift from the batch's normalization to the averages', clipped, without gradient.

    Source: Ioffe, 2017, equation 4; the bounds are functions of the train step.
    """
    bound = {name: function(scope.step) for name, function in clipping.items()}
    average = jnp.maximum(scope.latest("renorm_stddev"), epsilon**0.5)
    r = jnp.sqrt(moments.variance + epsilon) / average
    d = (moments.mean - scope.latest("renorm_mean")) / average
    r = jnp.clip(r, bound.get("rmin"), bound.get("rmax"))
    if "dmax" in bound:
        d = jnp.clip(d, -bound["dmax"], bound["dmax"])
    return jax.lax.stop_gradient(r), jax.lax.stop_gradient(d)


def renorm_update(
    scope: Scope,
    moments: Moments,
    decay: Share,
    renorm_decay: Share,
    epsilon: float,
    collections: tuple[str, ...] | None,
) -> None:
    """Two update ops, the renorm averages riding on them as in TensorFlow."""
    stddev = jnp.sqrt(moments.variance + epsilon)
    mean = {
        "moving_mean": moved(scope.latest("moving_mean"), moments.mean, decay),
        "renorm_mean": moved(scope.latest("renorm_mean"), moments.mean, renorm_decay),
    }
    spread = moved(scope.latest("moving_stddev"), stddev, decay)
    variance = {
        "moving_stddev": spread,
        "moving_variance": jax.nn.relu(jnp.square(spread) - epsilon),
        "renorm_stddev": moved(scope.latest("renorm_stddev"), stddev, renorm_decay),
    }
    scope.update(mean, collections)
    scope.update(variance, collections)


def adjusted(scope: Scope, channels: int, ranges: Mapping[Any, tuple[float, float]]) -> tuple[Array, Array]:
    """(scale, bias), [channels] each, drawn from their ranges; 1 and 0 where there is none.

    Source: TF-Slim layers, batch_norm's `adjustment`, as its documentation suggests to use it.
    """
    scale_key, bias_key = jax.random.split(scope.key())
    scale, bias = ranges.get("scale", (1.0, 1.0)), ranges.get("bias", (0.0, 0.0))
    return (
        jax.random.uniform(scale_key, (channels,), jnp.float32, *scale),
        jax.random.uniform(bias_key, (channels,), jnp.float32, *bias),
    )
