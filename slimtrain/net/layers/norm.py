"""Batch normalization, with every option of TF-Slim's.

Two steps that don't mix: `batch_norm` makes the variables and chooses; the maths is in small functions of arrays,
here, in moments.py and in renorm.py. Statistics are updates that the pass returns as values; see `Scope.update` for
when they take effect.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from slimtrain.config.catalog import layer
from slimtrain.config.values import (
    Activation,
    FieldName,
    Fraction,
    ImageFormat,
    NamedComponents,
    Names,
    Positive,
    Range,
)
from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.components import ones, zeros
from slimtrain.net.layers.common import along, channel_axis, need_floating
from slimtrain.net.layers.moments import Moments, Share, Table, batch_moments, moved, pace
from slimtrain.net.layers.normalized import normalized
from slimtrain.net.layers.renorm import adjusted, renorm_correction, renorm_update, renorm_variables
from slimtrain.net.scope import UPDATE_OPS, LayerError, Scope

Initializers = Annotated[
    Mapping[str, Any], NamedComponents("initializer", ("beta", "gamma", "moving_mean", "moving_variance"))
]
Regularizers = Annotated[Mapping[str, Any], NamedComponents("regularizer", ("beta", "gamma"))]
Clipping = Annotated[Mapping[str, Any], NamedComponents("schedule", ("rmax", "rmin", "dmax"))]
Adjustment = Mapping[Literal["scale", "bias"], Range]


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
    adjustment: Adjustment | None = None,
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
        renorm_clipping: bounds rmax, rmin, dmax of its correction, numbers or schedules of the train step; those left
            out are unbounded.
        renorm_decay: decay of renorm's own averages, 0 to 1.
        adjustment: ranges [low, high] that a factor `scale` and an offset `bias` are drawn from, for each channel and
            step, and put on the normalized values in training.

    Returns:
        The inputs' shape and type.

    Raises:
        LayerError: inputs of rank below 2; renorm with batch_weights or zero_debias_moving_mean.

    Source: TF-Slim layers, batch_norm (Ioffe and Szegedy, 2015).
    """
    _refuse(inputs, renorm, batch_weights, zero_debias_moving_mean)
    axis = channel_axis(data_format)
    table = Table(scope, inputs.shape[axis], param_initializers or {}, param_regularizers or {})
    gamma = table.weight("gamma", ones) if scale else None
    beta = table.weight("beta", zeros) if center else None
    mean = table.statistic("moving_mean", zeros)
    variance = table.statistic("moving_variance", ones)
    if renorm:
        renorm_variables(table)
    training = scope.training if is_training is None else is_training
    values = inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))
    if not training or scope.freezes("moving_mean", "moving_variance"):
        outputs = _affine(_normal(values, mean, variance, epsilon, axis), gamma, beta, axis)
    elif not renorm and batch_weights is None and adjustment is None:
        outputs, moments = normalized(inputs, gamma, beta, epsilon, axis)
        unbiased = fused is not False and _fused(inputs.ndim, updates_collections, zero_debias_moving_mean)
        _update(scope, moments, pace(scope, decay), unbiased, zero_debias_moving_mean, updates_collections)
    else:
        weights = scope.field(batch_weights, inputs.shape[0]) if batch_weights else None
        moments = batch_moments(values, axis, weights)
        outputs = _normal(values, moments.mean, moments.variance, epsilon, axis)
        kept = pace(scope, decay)
        if renorm:
            outputs = _affine(outputs, *renorm_correction(scope, moments, epsilon, renorm_clipping or {}), axis)
            renorm_update(scope, moments, kept, pace(scope, renorm_decay), epsilon, updates_collections)
        else:
            _update(scope, moments, kept, False, zero_debias_moving_mean, updates_collections)
        if adjustment is not None:
            outputs = _affine(outputs, *adjusted(scope, inputs.shape[axis], adjustment), axis)
        outputs = _affine(outputs, gamma, beta, axis)
    outputs = outputs.astype(inputs.dtype)
    return activation_fn(outputs) if activation_fn is not None else outputs


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


def _fused(rank: int, collections: Any, zero_debias: bool) -> bool:
    """Whether TF-Slim would take a fused kernel, whose moving variance is Bessel-corrected."""
    plain_rank_5 = rank == 5 and (zero_debias or collections != (UPDATE_OPS,))
    return rank in (2, 4, 5) and not plain_rank_5


def _update(
    scope: Scope, moments: Moments, decay: Share, unbiased: bool, zero_debias: bool, collections: tuple[str, ...] | None
) -> None:
    bessel = moments.count / max(moments.count - 1, 1) if unbiased else 1.0
    variance = moved(scope.latest("moving_variance"), moments.variance * bessel, decay)
    if zero_debias and scope.passes is None:
        scope.update(_debiased(scope, moments.mean, decay), collections)
    else:
        scope.update({"moving_mean": moved(scope.latest("moving_mean"), moments.mean, decay)}, collections)
    scope.update({"moving_variance": variance}, collections)


def _debiased(scope: Scope, mean: Array, decay: Share) -> dict[str, Array]:
    """The moving mean divided by the weight that it has gathered; TF keeps its shadows under the scope's own path."""
    shadow = f"{scope.path}/moving_mean"
    scope.variable(f"{shadow}/biased", mean.shape, zeros, statistic=True)
    scope.variable(f"{shadow}/local_step", (), zeros, statistic=True)
    biased = moved(scope.latest(f"{shadow}/biased"), mean, decay)
    step = scope.latest(f"{shadow}/local_step") + 1.0
    # TF-Slim's 0 / 0 at a decay of 1 would stop the run; an average that never moves stays as it is.
    debiased = biased / (1.0 - jnp.power(jnp.float32(decay), step)) if decay < 1.0 else scope.latest("moving_mean")
    return {f"{shadow}/biased": biased, f"{shadow}/local_step": step, "moving_mean": debiased}
