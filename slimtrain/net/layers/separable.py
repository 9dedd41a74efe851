"""Convolutions that keep channels apart: depthwise, separable, in-plane."""

from slimtrain.config.catalog import layer
from slimtrain.config.values import (
    Activation,
    Count,
    ImageFormat,
    Initializer,
    Normalizer,
    NormalizerArguments,
    Padding,
    Regularizer,
    Size2D,
)
from slimtrain.lazy import Array, jnp
from slimtrain.net.components import relu, xavier, zeros
from slimtrain.net.layers.common import Ending, channel_axis, finish, need_floating, need_rank
from slimtrain.net.layers.conv import conv2d, not_empty, one_pace
from slimtrain.net.lowering import convolution, convolution_flops
from slimtrain.net.scope import Scope


@layer(scope="SeparableConv2d", alias="separable_convolution2d", like=conv2d)
def separable_conv2d(
    scope: Scope,
    inputs: Array,
    *,
    num_outputs: Count | None,
    kernel_size: Size2D,
    depth_multiplier: Count = 1,
    stride: Size2D = (1, 1),
    padding: Padding = "SAME",
    data_format: ImageFormat = "NHWC",
    rate: Size2D = (1, 1),
    activation_fn: Activation | None = relu,
    normalizer_fn: Normalizer | None = None,
    normalizer_params: NormalizerArguments | None = None,
    weights_initializer: Initializer = xavier,
    pointwise_initializer: Initializer | None = None,
    weights_regularizer: Regularizer | None = None,
    biases_initializer: Initializer | None = zeros,
    biases_regularizer: Regularizer | None = None,
) -> Array:
    """Convolves each channel by itself, then mixes them with a 1x1 convolution; nothing stands between the two.

    Variables: `depthwise_weights` [height, width, in, depth_multiplier], `pointwise_weights`
    [1, 1, in * depth_multiplier, out], `biases` [out] unless there is a normalizer.

    Args:
        num_outputs: output channels; null leaves the 1x1 convolution out, and channel c * depth_multiplier + m is
            multiple m of input channel c.
        depth_multiplier: multiples of each input channel.
        pointwise_initializer: start of the 1x1 kernel; weights_initializer where null.
        weights_regularizer: regularizer of both kernels.

    Returns:
        [batch, height', width', num_outputs], or channels first.

    Raises:
        LayerError: inputs not of rank 4; stride and rate both above 1.

    Source: TF-Slim layers, separable_convolution2d.
    """
    need_rank("separable_conv2d", inputs, 4)
    need_floating("separable_conv2d", inputs)
    one_pace(stride, rate)
    axis = channel_axis(data_format)
    channels = inputs.shape[axis]
    shape = (*kernel_size, channels, depth_multiplier)
    weights = scope.variable("depthwise_weights", shape, weights_initializer, regularizer=weights_regularizer)
    kernel = weights.reshape((*kernel_size, 1, channels * depth_multiplier))
    outputs = _by_channel(scope, inputs, kernel, stride, padding, rate, data_format)
    if num_outputs is not None:
        shape = (1, 1, channels * depth_multiplier, num_outputs)
        start = pointwise_initializer or weights_initializer
        mixing = scope.variable("pointwise_weights", shape, start, regularizer=weights_regularizer)
        one: Size2D = (1, 1)
        outputs = convolution(
            outputs, mixing.astype(inputs.dtype), stride=one, padding="VALID", rate=one, data_format=data_format
        )
        scope.cost(convolution_flops(outputs, mixing))
    ending = Ending(activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer)
    return finish(scope, outputs, ending, axis)


@layer(scope="ConvInPlane", alias="convolution2d_in_plane", like=conv2d)
def conv2d_in_plane(
    scope: Scope,
    inputs: Array,
    *,
    kernel_size: Size2D,
    stride: Size2D = (1, 1),
    padding: Padding = "SAME",
    activation_fn: Activation | None = relu,
    normalizer_fn: Normalizer | None = None,
    normalizer_params: NormalizerArguments | None = None,
    weights_initializer: Initializer = xavier,
    weights_regularizer: Regularizer | None = None,
    biases_initializer: Initializer | None = zeros,
    biases_regularizer: Regularizer | None = None,
) -> Array:
    """Convolves every channel with one and the same kernel; channels last only.

    Variables: `weights` [height, width, 1, 1], `biases` [in] unless there is a normalizer.

    Returns:
        [batch, height', width', in].

    Raises:
        LayerError: inputs not of rank 4.

    Source: TF-Slim layers, convolution2d_in_plane.
    """
    need_rank("conv2d_in_plane", inputs, 4)
    need_floating("conv2d_in_plane", inputs)
    weights = scope.variable("weights", (*kernel_size, 1, 1), weights_initializer, regularizer=weights_regularizer)
    kernel = jnp.tile(weights, (1, 1, 1, inputs.shape[-1]))
    outputs = _by_channel(scope, inputs, kernel, stride, padding, (1, 1), "NHWC")
    ending = Ending(activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer)
    return finish(scope, outputs, ending)


def _by_channel(
    scope: Scope, inputs: Array, kernel: Array, stride: Size2D, padding: str, rate: Size2D, data_format: str
) -> Array:
    """A depthwise convolution with a kernel [height, width, 1, channels * multiples]."""
    outputs = convolution(
        inputs,
        kernel.astype(inputs.dtype),
        stride=stride,
        padding=padding,
        rate=rate,
        data_format=data_format,
        groups=inputs.shape[channel_axis(data_format)],
    )
    not_empty(inputs, outputs, kernel.shape[:2])
    scope.cost(convolution_flops(outputs, kernel))
    return outputs
