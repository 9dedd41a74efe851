"""A batch norm's variables, a batch's statistics, and how averages of them move."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slimtrain.lazy import Array, jnp
from slimtrain.net.layers.common import along
from slimtrain.net.scope import Scope

Share = float | Array
"""A number from 0 to 1, given in the config or computed."""


@dataclass(frozen=True)
class Moments:
    """Statistics of a batch, each [channels]: mean, biased variance; and how many values went into each."""

    mean: Array
    variance: Array
    count: int


def batch_moments(values: Array, axis: int, weights: Array | None = None) -> Moments:
    """Mean and biased variance over all axes but the channels', examples weighted by `weights` [batch] if given."""
    channel = axis % values.ndim
    axes = tuple(a for a in range(values.ndim) if a != channel)
    count = values.size // values.shape[channel]
    if weights is None:
        mean = jnp.mean(values, axes)
        return Moments(mean, jnp.mean(jnp.square(values - along(mean, axis, values.ndim)), axes), count)
    shares = jnp.broadcast_to(weights.reshape((-1,) + (1,) * (values.ndim - 1)), values.shape).astype(values.dtype)
    total = jnp.sum(shares, axes)
    per = jnp.where(total == 0, 0.0, 1.0 / jnp.where(total == 0, 1.0, total))
    mean = per * jnp.sum(shares * values, axes)
    spread = jnp.square(values - along(mean, axis, values.ndim))
    return Moments(mean, per * jnp.sum(shares * spread, axes), count)


def moved(old: Array, new: Array, decay: Share) -> Array:
    """An average's next value, which keeps the share `decay` of the old one."""
    return old - (1.0 - decay) * (old - new)


def pace(scope: Scope, decay: float) -> Share:
    """The share of an average that is kept: its decay; of a plain mean over n batches so far, n / (n + 1)."""
    return decay if scope.passes is None else scope.passes / (scope.passes + 1.0)


@dataclass(frozen=True)
class Table:
    """Makes the variables of one batch norm: [channels] each, with the initializers and regularizers given by name."""

    scope: Scope
    channels: int
    initializers: Mapping[str, Any]
    regularizers: Mapping[str, Any]

    def weight(self, name: str, default: Any) -> Array:
        """A parameter, trained."""
        initializer = self.initializers.get(name, default)
        regularizer = self.regularizers.get(name)
        return self.scope.variable(name, (self.channels,), initializer, regularizer=regularizer)

    def statistic(self, name: str, initializer: Any) -> Array:
        """An average, moved by updates."""
        start = self.initializers.get(name, initializer)
        return self.scope.variable(name, (self.channels,), start, statistic=True)
