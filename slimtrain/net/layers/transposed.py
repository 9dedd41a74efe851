"""Transposed convolutions: the gradients of convolutions, as layers."""

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
    Size3D,
    VolumeFormat,
)
from slimtrain.lazy import Array
from slimtrain.net.components import relu, xavier, zeros
from slimtrain.net.layers.common import Ending, channel_axis, finish, need_floating, need_rank
from slimtrain.net.layers.conv import Kernel, conv2d
from slimtrain.net.lowering import convolution_flops, transposed_convolution
from slimtrain.net.scope import Scope


@layer(scope="Conv2d_transpose", alias="convolution2d_transpose", like=conv2d)
def conv2d_transpose(
    scope: Scope,
    inputs: Array,
    *,
    num_outputs: Count,
    kernel_size: Size2D,
    stride: Size2D = (1, 1),
    padding: Padding = "SAME",
    data_format: ImageFormat = "NHWC",
    activation_fn: Activation | None = relu,
    normalizer_fn: Normalizer | None = None,
    normalizer_params: NormalizerArguments | None = None,
    weights_initializer: Initializer = xavier,
    weights_regularizer: Regularizer | None = None,
    biases_initializer: Initializer | None = zeros,
    biases_regularizer: Regularizer | None = None,
) -> Array:
    """Adds the transpose of a 2-D convolution, then a normalizer or biases, then an activation.

    Variables: `weights` [height, width, out, in] (out before in), `biases` [out] unless there is a normalizer.

    Args:
        stride: how many pixels each pixel becomes.
        padding: SAME gives size * stride pixels, VALID size * stride + max(kernel - stride, 0).

    Returns:
        [batch, height', width', num_outputs], or channels first.

    Raises:
        LayerError: inputs not of rank 4.

    Source: TF-Slim layers, convolution2d_transpose.
    """
    kernel = Kernel(num_outputs, kernel_size, stride, padding, (1, 1), weights_initializer, weights_regularizer)
    ending = Ending(activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer)
    return _transposed(scope, inputs, "conv2d_transpose", data_format, kernel, ending)


@layer(scope="Conv3d_transpose", alias="convolution3d_transpose", like=conv2d)
def conv3d_transpose(
    scope: Scope,
    inputs: Array,
    *,
    num_outputs: Count,
    kernel_size: Size3D,
    stride: Size3D = (1, 1, 1),
    padding: Padding = "SAME",
    data_format: VolumeFormat = "NDHWC",
    activation_fn: Activation | None = relu,
    normalizer_fn: Normalizer | None = None,
    normalizer_params: NormalizerArguments | None = None,
    weights_initializer: Initializer = xavier,
    weights_regularizer: Regularizer | None = None,
    biases_initializer: Initializer | None = zeros,
    biases_regularizer: Regularizer | None = None,
) -> Array:
    """Adds the transpose of a 3-D convolution, then a normalizer or biases, then an activation.

    Variables: `weights` [depth, height, width, out, in], `biases` [out] unless there is a normalizer.

    Args:
        kernel_size: depth, height and width of the kernel, in voxels.
        stride: how many voxels each voxel becomes.
        padding: SAME gives size * stride voxels, VALID size * stride + max(kernel - stride, 0).
        data_format: NDHWC or NCDHW.

    Returns:
        [batch, depth', height', width', num_outputs], or channels first.

    Raises:
        LayerError: inputs not of rank 5.

    Source: TF-Slim layers, convolution3d_transpose.
    """
    kernel = Kernel(num_outputs, kernel_size, stride, padding, (1, 1, 1), weights_initializer, weights_regularizer)
    ending = Ending(activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer)
    return _transposed(scope, inputs, "conv3d_transpose", data_format, kernel, ending)


def _transposed(scope: Scope, inputs: Array, op: str, data_format: str, kernel: Kernel, ending: Ending) -> Array:
    need_rank(op, inputs, len(data_format))
    need_floating(op, inputs)
    axis = channel_axis(data_format)
    shape = (*kernel.size, kernel.num_outputs, inputs.shape[axis])
    weights = scope.variable("weights", shape, kernel.initializer, regularizer=kernel.regularizer)
    outputs = transposed_convolution(
        inputs, weights.astype(inputs.dtype), stride=kernel.stride, padding=kernel.padding, data_format=data_format
    )
    scope.cost(convolution_flops(inputs, weights.swapaxes(-1, -2)))
    return finish(scope, outputs, ending, axis)
