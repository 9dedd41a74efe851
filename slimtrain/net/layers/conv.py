"""Convolutions. Names, argument order, kernel layouts and default scopes are TF-Slim's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    SequenceFormat,
    Size1D,
    Size2D,
    Size3D,
    VolumeFormat,
)
from slimtrain.lazy import Array
from slimtrain.net.components import bounds_of, relu, xavier, zeros
from slimtrain.net.layers.common import Ending, biases_of, channel_axis, finish, need_floating, need_rank
from slimtrain.net.lowering import convolution, convolution_flops, ended_convolution
from slimtrain.net.scope import LayerError, Scope, shown


@dataclass(frozen=True)
class Kernel:
    """A convolution's kernel: its outputs, its geometry one entry a spatial dimension, how it starts."""

    num_outputs: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str
    rate: tuple[int, ...]
    initializer: Callable[..., Array]
    regularizer: Callable[..., Array] | None


def convolve(scope: Scope, inputs: Array, op: str, data_format: str, kernel: Kernel, ending: Ending) -> Array:
    """The convolution that conv1d, conv2d and conv3d are; raises LayerError for inputs that it can't take."""
    need_rank(op, inputs, len(data_format))
    need_floating(op, inputs)
    one_pace(kernel.stride, kernel.rate)
    axis = channel_axis(data_format)
    shape = (*kernel.size, inputs.shape[axis], kernel.num_outputs)
    weights = scope.variable("weights", shape, kernel.initializer, regularizer=kernel.regularizer)
    given = inputs, weights.astype(inputs.dtype)
    moves: dict[str, Any] = {"stride": kernel.stride, "padding": kernel.padding, "rate": kernel.rate}
    bounds = bounds_of(ending.activation_fn) if ending.biased else None
    if bounds is None:
        outputs = convolution(*given, **moves, data_format=data_format)
    else:
        biases = biases_of(scope, kernel.num_outputs, inputs.dtype, ending)
        outputs = ended_convolution(*given, biases, bounds, **moves, data_format=data_format)
    not_empty(inputs, outputs, kernel.size)
    scope.cost(convolution_flops(outputs, weights))
    return outputs if bounds is not None else finish(scope, outputs, ending, axis)


def one_pace(stride: tuple[int, ...], rate: tuple[int, ...]) -> None:
    """Raises LayerError where stride and rate are both above 1, which TF-Slim does not define."""
    if max(stride) > 1 and max(rate) > 1:
        raise LayerError(f"stride {list(stride)} and rate {list(rate)} are both above 1", "set one of them to 1")


def not_empty(inputs: Array, outputs: Array, size: tuple[int, ...]) -> None:
    """Raises LayerError where no window fits into the inputs."""
    if 0 in outputs.shape:
        told = f"kernel_size {list(size)} is larger than the inputs {shown(inputs.shape)}"
        raise LayerError(told, "use padding SAME, a smaller kernel, or larger inputs")


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
    kernel = Kernel(num_outputs, kernel_size, stride, padding, rate, weights_initializer, weights_regularizer)
    ending = Ending(activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer)
    return convolve(scope, inputs, "conv2d", data_format or "NHWC", kernel, ending)


@layer(scope="Conv", alias="convolution1d", like=conv2d)
def conv1d(
    scope: Scope,
    inputs: Array,
    *,
    num_outputs: Count,
    kernel_size: Size1D,
    stride: Size1D = (1,),
    padding: Padding = "SAME",
    data_format: SequenceFormat | None = None,
    rate: Size1D = (1,),
    activation_fn: Activation | None = relu,
    normalizer_fn: Normalizer | None = None,
    normalizer_params: NormalizerArguments | None = None,
    weights_initializer: Initializer = xavier,
    weights_regularizer: Regularizer | None = None,
    biases_initializer: Initializer | None = zeros,
    biases_regularizer: Regularizer | None = None,
) -> Array:
    """Adds a 1-D convolution, then a normalizer or biases, then an activation.

    Variables: `weights` [width, in, out], `biases` [out] unless there is a normalizer.

    Args:
        kernel_size: width of the kernel, in steps of the sequence.
        stride: step of the kernel.
        data_format: NWC or NCW; NWC where omitted.
        rate: atrous rate; with stride 1 only.

    Returns:
        [batch, width', num_outputs], or channels first.

    Raises:
        LayerError: inputs not of rank 3; stride and rate both above 1.

    Source: TF-Slim layers, convolution1d.
    """
    kernel = Kernel(num_outputs, kernel_size, stride, padding, rate, weights_initializer, weights_regularizer)
    ending = Ending(activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer)
    return convolve(scope, inputs, "conv1d", data_format or "NWC", kernel, ending)


@layer(scope="Conv", alias="convolution3d", like=conv2d)
def conv3d(
    scope: Scope,
    inputs: Array,
    *,
    num_outputs: Count,
    kernel_size: Size3D,
    stride: Size3D = (1, 1, 1),
    padding: Padding = "SAME",
    data_format: VolumeFormat | None = None,
    rate: Size3D = (1, 1, 1),
    activation_fn: Activation | None = relu,
    normalizer_fn: Normalizer | None = None,
    normalizer_params: NormalizerArguments | None = None,
    weights_initializer: Initializer = xavier,
    weights_regularizer: Regularizer | None = None,
    biases_initializer: Initializer | None = zeros,
    biases_regularizer: Regularizer | None = None,
) -> Array:
    """Adds a 3-D convolution, then a normalizer or biases, then an activation.

    Variables: `weights` [depth, height, width, in, out], `biases` [out] unless there is a normalizer.

    Args:
        kernel_size: depth, height and width of the kernel, in voxels.
        stride: step of the kernel, in voxels.
        data_format: NDHWC or NCDHW; NDHWC where omitted.
        rate: atrous rate, in voxels; with stride 1 only.

    Returns:
        [batch, depth', height', width', num_outputs], or channels first.

    Raises:
        LayerError: inputs not of rank 5; stride and rate both above 1.

    Source: TF-Slim layers, convolution3d.
    """
    kernel = Kernel(num_outputs, kernel_size, stride, padding, rate, weights_initializer, weights_regularizer)
    ending = Ending(activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer)
    return convolve(scope, inputs, "conv3d", data_format or "NDHWC", kernel, ending)
