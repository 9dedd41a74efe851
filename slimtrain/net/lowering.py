"""The doors of convolutions: how one is computed is chosen behind them, and the rest of the code is unaware."""

from collections.abc import Sequence

from slimtrain.lazy import Array, jnp
from slimtrain.net import bilinear
from slimtrain.net.ended import Bounds, ended
from slimtrain.net.geometry import geometry, operations, transposed_geometry


def convolution(
    inputs: Array,
    weights: Array,
    *,
    stride: Sequence[int],
    padding: str,
    rate: Sequence[int],
    data_format: str,
    groups: int = 1,
) -> Array:
    """N-D cross-correlation with TensorFlow's padding rules; the kernel is [*size, in, out] whatever the data format.

    Args:
        inputs: [batch, *space, in], or [batch, in, *space] where `data_format` starts with NC.
        weights: [*size, in / groups, out].
        stride: one a spatial dimension.
        padding: SAME or VALID.
        rate: atrous rate, one a spatial dimension.
        data_format: NHWC, NCHW and so on.
        groups: groups of input channels.
    """
    given = channels_last(inputs, data_format)
    shapes = geometry(given.shape, weights.shape, stride, padding, rate, groups)
    return channels_back(bilinear.forward(given, weights, shapes), data_format)


def ended_convolution(
    inputs: Array,
    weights: Array,
    biases: Array,
    bounds: Bounds,
    *,
    stride: Sequence[int],
    padding: str,
    rate: Sequence[int],
    data_format: str,
) -> Array:
    """As `convolution`, with biases [out] added and the sums held between bounds."""
    given = channels_last(inputs, data_format)
    shapes = geometry(given.shape, weights.shape, stride, padding, rate)
    return channels_back(ended(given, weights, biases, shapes, bounds), data_format)


def transposed_convolution(
    inputs: Array, weights: Array, *, stride: Sequence[int], padding: str, data_format: str
) -> Array:
    """The gradient of a convolution by its inputs, applied to `inputs`; the kernel is [*size, out, in].

    Args:
        inputs: [batch, *space, in], or [batch, in, *space] where `data_format` starts with NC.
        weights: [*size, out, in]: the kernel of the convolution that it is the gradient of.
        stride: that convolution's stride, one a spatial dimension.
        padding: SAME or VALID.
        data_format: NHWC, NCHW and so on.
    """
    given = channels_last(inputs, data_format)
    shapes = transposed_geometry(given.shape, weights.shape, stride, padding)
    return channels_back(bilinear.input_gradient(given, weights, shapes), data_format)


def channels_last(values: Array, data_format: str) -> Array:
    """Values [batch, *space, channels] from those of a format."""
    return jnp.moveaxis(values, 1, -1) if data_format.startswith("NC") else values


def channels_back(values: Array, data_format: str) -> Array:
    """Values of a format from those [batch, *space, channels]."""
    return jnp.moveaxis(values, -1, 1) if data_format.startswith("NC") else values


def convolution_flops(outputs: Array, weights: Array) -> int:
    """Operations of a convolution: two a multiply-add, over the whole batch."""
    return operations(outputs.shape, weights.shape)
