"""Convolutions. Names, argument order, kernel layouts and default scopes are TF-Slim's."""

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
from slimtrain.lazy import Array
from slimtrain.net.components import relu, xavier, zeros
from slimtrain.net.layers.common import channel_axis, finish, need_floating, need_rank
from slimtrain.net.lowering import convolution, convolution_flops
from slimtrain.net.scope import LayerError, Scope, shown


@layer(scope="Conv", alias="convolution2d")
def conv2d(
    scope: Scope,
    inputs: Array,
    *,
    num_outputs: Count,
    kernel_size: Size2D,
    stride: Size2D = (1, 1),
    padding: Padding = "SAME",
    data_format: ImageFormat | None = None,
    rate: Size2D = (1, 1),
    activation_fn: Activation | None = relu,
    normalizer_fn: Normalizer | None = None,
    normalizer_params: NormalizerArguments | None = None,
    weights_initializer: Initializer = xavier,
    weights_regularizer: Regularizer | None = None,
    biases_initializer: Initializer | None = zeros,
    biases_regularizer: Regularizer | None = None,
) -> Array:
    """Adds a 2-D convolution, then a normalizer or biases, then an activation.

    Variables: `weights` [height, width, in, out] (whatever the data format), `biases` [out] unless there is a
        normalizer.

    Args:
        num_outputs: output channels.
        kernel_size: height and width of the kernel, in pixels.
        stride: step of the kernel, in pixels.
        padding: SAME keeps ceil(size / stride) pixels, VALID only whole windows.
        data_format: NHWC or NCHW; NHWC where omitted.
        rate: atrous rate: distance of the kernel's taps, in pixels; with stride 1 only.
        activation_fn: activation, or null for none.
        normalizer_fn: normalizer that stands in for the biases, or null.
        normalizer_params: arguments for the normalizer.
        weights_initializer: start of the kernel.
        weights_regularizer: regularizer of the kernel.
        biases_initializer: start of the biases; null for no biases.
        biases_regularizer: regularizer of the biases.

    Returns:
        [batch, height', width', num_outputs], or channels first.

    Raises:
        LayerError: inputs not of rank 4; stride and rate both above 1.

    Source: TF-Slim layers, convolution2d.
    """
    need_rank("conv2d", inputs, 4)
    need_floating("conv2d", inputs)
    if max(stride) > 1 and max(rate) > 1:
        raise LayerError(f"stride {list(stride)} and rate {list(rate)} are both above 1", "set one of them to 1")
    axis = channel_axis(data_format)
    shape = (*kernel_size, inputs.shape[axis], num_outputs)
    weights = scope.variable("weights", shape, weights_initializer, regularizer=weights_regularizer)
    outputs = convolution(
        inputs,
        weights.astype(inputs.dtype),
        stride=stride,
        padding=padding,
        rate=rate,
        data_format=data_format or "NHWC",
    )
    if 0 in outputs.shape:
        size = f"{list(kernel_size)} is larger than the inputs {shown(inputs.shape)}"
        raise LayerError(f"kernel_size {size}", "use padding SAME, a smaller kernel, or larger inputs")
    scope.cost(convolution_flops(outputs, weights))
    return finish(
        scope,
        outputs,
        activation_fn=activation_fn,
        normalizer_fn=normalizer_fn,
        normalizer_params=normalizer_params,
        biases_initializer=biases_initializer,
        biases_regularizer=biases_regularizer,
        axis=axis,
    )
