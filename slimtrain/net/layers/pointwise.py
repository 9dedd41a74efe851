"""Layers that act on each value, or on each vector of channels, by themselves."""

from slimtrain.config.catalog import layer
from slimtrain.config.values import (
    Activation,
    Count,
    ImageFormat,
    Initializer,
    NonNegative,
    Number,
    Positive,
    Regularizer,
    Whole,
)
from slimtrain.lazy import Array, jax, jnp, lax
from slimtrain.net.components import relu, zeros
from slimtrain.net.layers.common import along, channel_axis, need_floating, need_rank
from slimtrain.net.responses import local_response
from slimtrain.net.scope import LayerError, Scope, shown


@layer(scope="Activation")
def activation(scope: Scope, inputs: Array, *, activation_fn: Activation = relu) -> Array:
    """Applies an activation by itself.

    Args:
        activation_fn: the activation.

    Returns:
        The inputs' shape.
    """
    outputs: Array = activation_fn(inputs)
    return outputs


@layer(scope="Scale")
def scale(scope: Scope, inputs: Array, *, multiplier: Number) -> Array:
    """Multiplies every value by a constant.

    Args:
        multiplier: the constant.

    Returns:
        The inputs' shape.

    Source: the scaled residuals of Inception-ResNet (Szegedy et al., 2016).
    """
    return inputs * multiplier


@layer(scope="softmax")
def softmax(scope: Scope, inputs: Array) -> Array:
    """Applies the softmax over the last axis.

    Returns:
        The inputs' shape.

    Source: TF-Slim layers, softmax.
    """
    return jax.nn.softmax(inputs)


@layer(scope="BiasAdd")
def bias_add(
    scope: Scope,
    inputs: Array,
    *,
    activation_fn: Activation | None = None,
    initializer: Initializer = zeros,
    regularizer: Regularizer | None = None,
    data_format: ImageFormat = "NHWC",
) -> Array:
    """Adds biases, then an activation.

    Variables: `biases` [channels].

    Args:
        activation_fn: activation, or null for none.
        initializer: start of the biases.
        regularizer: regularizer of the biases.
        data_format: NHWC or, for inputs of rank 4, NCHW.

    Returns:
        The inputs' shape.

    Raises:
        LayerError: inputs of rank below 2; NCHW with another rank than 4.

    Source: TF-Slim layers, bias_add.
    """
    need_floating("bias_add", inputs)
    if inputs.ndim < 2 or (data_format == "NCHW" and inputs.ndim != 4):
        raise LayerError(f"data_format {data_format} does not fit inputs {shown(inputs.shape)}", "use NHWC, or rank 4")
    axis = channel_axis(data_format)
    biases = scope.variable("biases", (inputs.shape[axis],), initializer, regularizer=regularizer)
    outputs: Array = inputs + along(biases, axis, inputs.ndim).astype(inputs.dtype)
    return activation_fn(outputs) if activation_fn is not None else outputs


@layer(scope="UnitNorm")
def unit_norm(scope: Scope, inputs: Array, *, dim: Whole, epsilon: Positive = 1e-7) -> Array:
    """Scales vectors along an axis to length 1: x / sqrt(epsilon + sum x^2).

    Args:
        dim: the axis, from 0.
        epsilon: added to the sum of squares.

    Returns:
        The inputs' shape.

    Raises:
        LayerError: an axis that the inputs don't have.

    Source: TF-Slim layers, unit_norm.
    """
    if dim >= inputs.ndim:
        raise LayerError(f"dim {dim} is no axis of the inputs {shown(inputs.shape)}", f"use 0 to {inputs.ndim - 1}")
    return inputs * lax.rsqrt(epsilon + jnp.sum(jnp.square(inputs), dim, keepdims=True))


@layer(scope="MaxOut")
def maxout(scope: Scope, inputs: Array, *, num_units: Count, axis: int = -1) -> Array:
    """Takes the largest of each run of neighbours along an axis, so that num_units are left.

    Args:
        num_units: length of the axis afterwards; it divides the length before.
        axis: the axis.

    Returns:
        The inputs' shape, num_units long along the axis.

    Raises:
        LayerError: num_units that does not divide the axis, or no such axis.

    Source: TF-Slim layers, maxout (Goodfellow et al., 2013).
    """
    if not -inputs.ndim <= axis < inputs.ndim:
        raise LayerError(f"axis {axis} is no axis of the inputs {shown(inputs.shape)}")
    place = axis % inputs.ndim
    length = inputs.shape[place]
    if length % num_units:
        raise LayerError(f"num_units {num_units} does not divide {length}", "use a divisor")
    shape = (*inputs.shape[:place], num_units, length // num_units, *inputs.shape[place + 1 :])
    return jnp.max(inputs.reshape(shape), place + 1)


@layer(scope="scale_gradient")
def scale_gradient(scope: Scope, inputs: Array, *, multiplier: Number) -> Array:
    """Passes its inputs on unchanged and multiplies the gradient.

    Args:
        multiplier: factor on the gradient.

    Returns:
        The inputs' shape.

    Source: TF-Slim layers, scale_gradient.
    """
    return inputs + (multiplier - 1.0) * (inputs - lax.stop_gradient(inputs))


@layer(scope="LRN")
def lrn(
    scope: Scope,
    inputs: Array,
    *,
    depth_radius: Whole = 5,
    bias: Positive = 1.0,
    alpha: NonNegative = 1.0,
    beta: NonNegative = 0.5,
) -> Array:
    """Local response normalization: x / (bias + alpha * sum of squares over neighbouring channels) ^ beta.

    Args:
        depth_radius: neighbours on each side of a channel.
        bias: added to the sum.
        alpha: factor on the sum.
        beta: exponent.

    Returns:
        [batch, height, width, channels].

    Raises:
        LayerError: inputs not of rank 4.

    Source: tf.nn.local_response_normalization (Krizhevsky et al., 2012).
    """
    need_rank("lrn", inputs, 4)
    return local_response(inputs, depth_radius, bias, alpha, beta)


@layer(scope="spatial_softmax")
def spatial_softmax(
    scope: Scope, inputs: Array, *, temperature: Positive | None = None, data_format: ImageFormat = "NHWC"
) -> Array:
    """Gives each channel's expected place under a softmax over space, as row and column in -1 to 1.

    Variables: `temperature`, a scalar, trained.

    Args:
        temperature: start of the temperature; 1 where null.
        data_format: NHWC or NCHW.

    Returns:
        [batch, 2 * channels]: row and column of the first channel, of the second, and so on.

    Raises:
        LayerError: inputs not of rank 4.

    Source: TF-Slim layers, spatial_softmax (Levine et al., 2016).
    """
    need_rank("spatial_softmax", inputs, 4)

    def first(key: object, shape: tuple[int, ...], dtype: object) -> Array:
        return jnp.full(shape, 1.0 if temperature is None else temperature, jnp.float32)

    heat = scope.variable("temperature", (), first)
    images = jnp.moveaxis(inputs, 1, -1) if data_format == "NCHW" else inputs
    batch, height, width, channels = images.shape
    flat = images.reshape((batch, height * width, channels))
    shares = jax.nn.softmax(flat / heat.astype(inputs.dtype), axis=1)
    rows, columns = jnp.meshgrid(jnp.linspace(-1.0, 1.0, height), jnp.linspace(-1.0, 1.0, width), indexing="ij")
    places = jnp.stack([rows.ravel(), columns.ravel()], -1).astype(inputs.dtype)
    return jnp.einsum("bpc,px->bcx", shares, places).reshape((batch, 2 * channels))
