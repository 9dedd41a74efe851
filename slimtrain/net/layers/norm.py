"""Batch normalization, with every option of TF-Slim's.

Two steps that don't mix: `batch_norm` makes the variables and chooses; the maths is in small functions of arrays
below it. Statistics are updates that the pass returns as values; see `Scope.update` for when they take effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from slimtrain.config.catalog import layer
from slimtrain.config.values import (
    Activation,
    FieldName,
    Fraction,
    ImageFormat,
    NamedComponents,
    Names,
    NonNegative,
    Positive,
)
from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.components import ones, zeros
from slimtrain.net.layers.common import along, channel_axis, need_floating
from slimtrain.net.scope import UPDATE_OPS, LayerError, Scope

Initializers = Annotated[
    Mapping[str, Any], NamedComponents("initializer", ("beta", "gamma", "moving_mean", "moving_variance"))
]
Regularizers = Annotated[Mapping[str, Any], NamedComponents("regularizer", ("beta", "gamma"))]
Clipping = Mapping[Literal["rmax", "rmin", "dmax"], NonNegative]


@layer(scope="BatchNorm", normalizer=True)
def batch_norm(
    scope: Scope,
    inputs: Array,
    *,
    decay: Fraction = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: Positive = 0.001,
    activation_fn: Activation | None = None,
    param_initializers: Initializers | None = None,
    param_regularizers: Regularizers | None = None,
    updates_collections: Names | None = (UPDATE_OPS,),
    is_training: bool | None = None,
    batch_weights: FieldName | None = None,
    fused: bool | None = None,
    data_format: ImageFormat = "NHWC",
    zero_debias_moving_mean: bool = False,
    renorm: bool = False,
    renorm_clipping: Clipping | None = None,
    renorm_decay: Fraction = 0.99,
) -> Array:
    """Normalizes each channel by the batch's statistics in training, by moving averages of them at evaluation.

    Variables, each [channels]: `beta`, `gamma`; statistics `moving_mean`, `moving_variance`; with renorm
    `moving_stddev`, `renorm_mean`, `renorm_stddev`; with zero_debias_moving_mean its shadow `biased` and
    `local_step`. Computed in float32.

    Args:
        decay: of the moving averages, 0 to 1; Keras calls it momentum, PyTorch's momentum is 1 - decay.
        center: add `beta`.
        scale: multiply by `gamma`.
        epsilon: added to the variance.
        activation_fn: activation, or null for none.
        param_initializers: starts of beta, gamma, moving_mean and moving_variance.
        param_regularizers: regularizers of beta and gamma.
        updates_collections: collections of the updates, applied as train.update_ops says; null applies them in place.
        is_training: pins the mode; false freezes the statistics (not used from the batch, not updated); null follows
            the command.
        batch_weights: field of the data, [batch], that weighs each example in the statistics.
        fused: true or null let the moving variance be the unbiased one for ranks 2, 4 and 5, as TF's fused kernels
            do; false keeps it biased. The output is always normalized by the biased one.
        data_format: NHWC or NCHW: channels last, or first.
        zero_debias_moving_mean: correct the moving mean for its start at zero.
        renorm: batch renormalization (Ioffe, 2017).
        renorm_clipping: bounds rmax, rmin, dmax of its correction; those left out are unbounded.
        renorm_decay: decay of renorm's own averages, 0 to 1.

    Returns:
        The inputs' shape and type.

    Raises:
        LayerError: inputs of rank below 2; renorm with batch_weights or zero_debias_moving_mean.

    Source: TF-Slim layers, batch_norm (Ioffe and Szegedy, 2015).
    """
    _refuse(inputs, renorm, batch_weights, zero_debias_moving_mean)
    axis = channel_axis(data_format)
    table = _Table(scope, inputs.shape[axis], param_initializers or {}, param_regularizers or {})
    gamma = table.weight("gamma", ones) if scale else None
    beta = table.weight("beta", zeros) if center else None
    mean = table.statistic("moving_mean", zeros)
    variance = table.statistic("moving_variance", ones)
    values = inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))
    if renorm:
        _renorm_variables(table)
    training = scope.training if is_training is None else is_training
    if training:
        weights = scope.field(batch_weights, inputs.shape[0]) if batch_weights else None
        moments = batch_moments(values, axis, weights)
        unbiased = _unbiased(inputs.ndim, fused, updates_collections, zero_debias_moving_mean, weights, renorm)
        outputs = _normal(values, moments.mean, moments.variance, epsilon, axis)
        if renorm:
            outputs = _affine(outputs, *_renorm_correction(scope, moments, epsilon, renorm_clipping or {}), axis)
            _renorm_update(scope, moments, decay, renorm_decay, epsilon, updates_collections)
        else:
            _update(scope, moments, decay, unbiased, zero_debias_moving_mean, updates_collections)
    else:
        outputs = _normal(values, mean, variance, epsilon, axis)
    outputs = _affine(outputs, gamma, beta, axis).astype(inputs.dtype)
    return activation_fn(outputs) if activation_fn is not None else outputs


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


def moved(old: Array, new: Array, decay: float) -> Array:
    """An exponential moving average's next value."""
    return old - (1.0 - decay) * (old - new)


def _normal(values: Array, mean: Array, variance: Array, epsilon: float, axis: int) -> Array:
    rank = values.ndim
    return (values - along(mean, axis, rank)) * along(jax.lax.rsqrt(variance + epsilon), axis, rank)


def _affine(values: Array, gamma: Array | None, beta: Array | None, axis: int) -> Array:
    if gamma is not None:
        values = values * along(gamma, axis, values.ndim)
    return values if beta is None else values + along(beta, axis, values.ndim)


def _refuse(inputs: Array, renorm: bool, batch_weights: str | None, zero_debias: bool) -> None:
    if inputs.ndim < 2:
        raise LayerError(f"expects inputs of rank 2 or more, got rank {inputs.ndim}")
    need_floating("batch_norm", inputs)
    if renorm and (batch_weights or zero_debias):
        other = "batch_weights" if batch_weights else "zero_debias_moving_mean"
        raise LayerError(f"renorm does not go with {other}", "drop one of them")


def _unbiased(
    rank: int, fused: bool | None, collections: Any, zero_debias: bool, weights: Array | None, renorm: bool
) -> bool:
    """Whether TF-Slim would take a fused kernel, whose moving variance is Bessel-corrected."""
    plain_rank_5 = rank == 5 and (zero_debias or collections != (UPDATE_OPS,))
    return fused is not False and weights is None and not renorm and rank in (2, 4, 5) and not plain_rank_5


def _update(
    scope: Scope, moments: Moments, decay: float, unbiased: bool, zero_debias: bool, collections: tuple[str, ...] | None
) -> None:
    bessel = moments.count / max(moments.count - 1, 1) if unbiased else 1.0
    variance = moved(scope.latest("moving_variance"), moments.variance * bessel, decay)
    if zero_debias:
        scope.update(_debiased(scope, moments.mean, decay), collections)
    else:
        scope.update({"moving_mean": moved(scope.latest("moving_mean"), moments.mean, decay)}, collections)
    scope.update({"moving_variance": variance}, collections)


def _debiased(scope: Scope, mean: Array, decay: float) -> dict[str, Array]:
    """The moving mean divided by the weight that it has gathered; TF keeps its shadows under the scope's own path."""
    shadow = f"{scope.path}/moving_mean"
    scope.variable(f"{shadow}/biased", mean.shape, zeros, statistic=True)
    scope.variable(f"{shadow}/local_step", (), zeros, statistic=True)
    biased = moved(scope.latest(f"{shadow}/biased"), mean, decay)
    step = scope.latest(f"{shadow}/local_step") + 1.0
    # TF-Slim's 0 / 0 at a decay of 1 would stop the run; an average that never moves stays as it is.
    debiased = biased / (1.0 - jnp.power(jnp.float32(decay), step)) if decay < 1.0 else scope.latest("moving_mean")
    return {f"{shadow}/biased": biased, f"{shadow}/local_step": step, "moving_mean": debiased}


@dataclass(frozen=True)
class _Table:
    """Makes the variables of one batch norm: [channels] each, with the initializers and regularizers given by name."""

    scope: Scope
    channels: int
    initializers: Mapping[str, Any]
    regularizers: Mapping[str, Any]

    def weight(self, name: str, default: Any) -> Array:
        initializer = self.initializers.get(name, default)
        regularizer = self.regularizers.get(name)
        return self.scope.variable(name, (self.channels,), initializer, regularizer=regularizer)

    def statistic(self, name: str, initializer: Any) -> Array:
        start = self.initializers.get(name, initializer)
        return self.scope.variable(name, (self.channels,), start, statistic=True)


def _renorm_variables(table: _Table) -> None:
    """Batch renormalization's own averages, started from the moving ones' initializers."""
    mean = table.initializers.get("moving_mean", zeros)
    variance = table.initializers.get("moving_variance", ones)

    def root(key: Any, shape: Any, dtype: Any) -> Array:
        return jnp.sqrt(variance(key, shape, dtype))

    table.statistic("moving_stddev", root)
    table.statistic("renorm_mean", mean)
    table.statistic("renorm_stddev", root)


def _renorm_correction(scope: Scope, moments: Moments, epsilon: float, clipping: Clipping) -> tuple[Array, Array]:
    """(r, d): factor and shift from the batch's normalization to the averages', clipped, without gradient."""
    average = jnp.maximum(scope.latest("renorm_stddev"), epsilon**0.5)
    r = jnp.sqrt(moments.variance + epsilon) / average
    d = (moments.mean - scope.latest("renorm_mean")) / average
    r = jnp.clip(r, clipping.get("rmin"), clipping.get("rmax"))
    if "dmax" in clipping:
        d = jnp.clip(d, -clipping["dmax"], clipping["dmax"])
    return jax.lax.stop_gradient(r), jax.lax.stop_gradient(d)


def _renorm_update(
    scope: Scope,
    moments: Moments,
    decay: float,
    renorm_decay: float,
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
