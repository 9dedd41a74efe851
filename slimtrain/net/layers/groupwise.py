"""Normalizers without moving statistics: layer, instance and group norm. The same in training and at evaluation."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from slimtrain.config.catalog import layer
from slimtrain.config.values import Activation, Axes, Count, ImageFormat, NamedComponents, Positive
from slimtrain.lazy import Array, jnp, lax
from slimtrain.net.components import ones, zeros
from slimtrain.net.layers.common import channel_axis
from slimtrain.net.scope import LayerError, Scope, shown

Initializers = Annotated[Mapping[str, Any], NamedComponents("initializer", ("beta", "gamma"))]


@layer(scope="LayerNorm", normalizer=True)
def layer_norm(
    scope: Scope,
    inputs: Array,
    *,
    center: bool = True,
    scale: bool = True,
    activation_fn: Activation | None = None,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
) -> Array:
    """Normalizes each example over all axes from one on.

    Variables: `beta`, `gamma`, each of the inputs' shape from begin_params_axis on. Epsilon is 1e-12, as TF-Slim's
    (1e-3 for half precision).

    Args:
        center: add `beta`.
        scale: multiply by `gamma`.
        activation_fn: activation, or null for none.
        begin_norm_axis: first axis to normalize over; negative ones count from the end.
        begin_params_axis: first axis of the parameters.

    Returns:
        The inputs' shape and type.

    Raises:
        LayerError: an axis that the inputs don't have.

    Source: TF-Slim layers, layer_norm (Ba et al., 2016).
    """
    start = _axis(inputs, begin_norm_axis, "begin_norm_axis")
    parameters = _axis(inputs, begin_params_axis, "begin_params_axis")
    epsilon = 1e-12 if inputs.dtype == jnp.float32 else 1e-3
    outputs = _normal(inputs, tuple(range(start, inputs.ndim)), epsilon)
    shape = inputs.shape[parameters:]
    return _ended(scope, inputs, outputs, shape, shape, {}, center, scale, activation_fn)


@layer(scope="InstanceNorm", normalizer=True)
def instance_norm(
    scope: Scope,
    inputs: Array,
    *,
    center: bool = True,
    scale: bool = True,
    epsilon: Positive = 1e-6,
    activation_fn: Activation | None = None,
    param_initializers: Initializers | None = None,
    data_format: ImageFormat = "NHWC",
) -> Array:
    """Normalizes each channel of each example over space.

    Variables: `beta`, `gamma`, [channels].

    Args:
        center: add `beta`.
        scale: multiply by `gamma`.
        epsilon: added to the variance.
        activation_fn: activation, or null for none.
        param_initializers: starts of beta and gamma.
        data_format: NHWC or NCHW: channels last, or first.

    Returns:
        The inputs' shape and type.

    Raises:
        LayerError: inputs of rank below 2.

    Source: TF-Slim layers, instance_norm (Ulyanov et al., 2016).
    """
    if inputs.ndim < 2:
        raise LayerError(f"expects inputs of rank 2 or more, got rank {inputs.ndim}")
    axis = channel_axis(data_format) % inputs.ndim
    space = tuple(a for a in range(1, inputs.ndim) if a != axis)
    outputs = _normal(inputs, space, epsilon)
    spread = [1] * inputs.ndim
    spread[axis] = inputs.shape[axis]
    return _ended(
        scope, inputs, outputs, (inputs.shape[axis],), spread, param_initializers or {}, center, scale, activation_fn
    )


@layer(scope="GroupNorm", normalizer=True)
def group_norm(
    scope: Scope,
    inputs: Array,
    *,
    groups: Count = 32,
    channels_axis: int = -1,
    reduction_axes: Axes = (-3, -2),
    center: bool = True,
    scale: bool = True,
    epsilon: Positive = 1e-6,
    activation_fn: Activation | None = None,
    param_initializers: Initializers | None = None,
    mean_close_to_zero: bool = False,
) -> Array:
    """Normalizes groups of channels of each example, over the group's channels and the reduction axes.

    Variables: `beta`, `gamma`, [channels].

    Args:
        groups: number of groups; it divides the channels.
        channels_axis: axis of the channels: -1, or -3 where they come before height and width.
        reduction_axes: axes of space; (-2, -1) where channels come first.
        center: add `beta`.
        scale: multiply by `gamma`.
        epsilon: added to the variance.
        activation_fn: activation, or null for none.
        param_initializers: starts of beta and gamma.
        mean_close_to_zero: compute the variance in one pass, as mean of squares less square of mean.

    Returns:
        The inputs' shape and type.

    Raises:
        LayerError: axes that the inputs don't have or that clash; channels that the groups don't divide.

    Source: TF-Slim layers, group_norm (Wu and He, 2018).
    """
    axis = _axis(inputs, channels_axis, "channels_axis")
    over = tuple(_axis(inputs, a, "reduction_axes") for a in reduction_axes)
    channels = inputs.shape[axis]
    _groups_fit(groups, channels, axis, over)
    shape = (*inputs.shape[:axis], groups, channels // groups, *inputs.shape[axis + 1 :])
    grouped = inputs.reshape(shape)
    space = tuple(a + (a > axis) for a in over)
    outputs = _normal(grouped, (*space, axis + 1), epsilon, one_pass=mean_close_to_zero).reshape(inputs.shape)
    spread = [1] * inputs.ndim
    spread[axis] = channels
    return _ended(scope, inputs, outputs, (channels,), spread, param_initializers or {}, center, scale, activation_fn)


def _axis(inputs: Array, axis: int, name: str) -> int:
    if not -inputs.ndim <= axis < inputs.ndim:
        raise LayerError(f"{name} {axis} is no axis of the inputs {shown(inputs.shape)}")
    return axis % inputs.ndim


def _groups_fit(groups: int, channels: int, axis: int, over: tuple[int, ...]) -> None:
    if channels % groups:
        hint = f"use a number that divides {channels}"
        raise LayerError(f"{groups} groups do not divide {channels} channels", hint)
    if axis in over:
        raise LayerError(f"axis {axis} is the channels' and a reduction axis", "leave it out of reduction_axes")


def _normal(inputs: Array, axes: tuple[int, ...], epsilon: float, one_pass: bool = False) -> Array:
    """Inputs less their mean, over their deviation, in float32."""
    values = inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))
    if not axes:  # a channel of a row by itself: what is left of it is its mean
        return jnp.zeros_like(values)
    mean = jnp.mean(values, axes, keepdims=True)
    if one_pass:
        variance = jnp.mean(jnp.square(values), axes, keepdims=True) - jnp.square(mean)
    else:
        variance = jnp.mean(jnp.square(values - mean), axes, keepdims=True)
    return (values - mean) * lax.rsqrt(variance + epsilon)


def _ended(
    scope: Scope,
    inputs: Array,
    outputs: Array,
    shape: Sequence[int],
    spread: Sequence[int],
    initializers: Mapping[str, Any],
    center: bool,
    scale: bool,
    activation_fn: Activation | None,
) -> Array:
    """Scale, offset and activation; the parameters have `shape` and are laid along the inputs as `spread`."""
    if scale:
        gamma = scope.variable("gamma", shape, initializers.get("gamma", ones))
        outputs = outputs * gamma.reshape(tuple(spread))
    if center:
        beta = scope.variable("beta", shape, initializers.get("beta", zeros))
        outputs = outputs + beta.reshape(tuple(spread))
    outputs = outputs.astype(inputs.dtype)
    return activation_fn(outputs) if activation_fn is not None else outputs
