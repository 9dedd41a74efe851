"""How convolutions are computed: one door each, so that a faster way changes nothing else."""

from collections.abc import Sequence
from math import prod

from slimtrain.lazy import Array, lax


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
    space = data_format.replace("N", "").replace("C", "")
    return lax.conv_general_dilated(
        inputs,
        weights,
        window_strides=tuple(stride),
        padding=padding,
        rhs_dilation=tuple(rate),
        dimension_numbers=(data_format, space + "IO", data_format),
        feature_group_count=groups,
    )


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
    space = data_format.replace("N", "").replace("C", "")
    dimensions = (data_format, space + "IO", data_format)
    strides = tuple(stride)
    return lax.conv_transpose(inputs, weights, strides, padding, dimension_numbers=dimensions, transpose_kernel=True)


def convolution_flops(outputs: Array, weights: Array) -> int:
    """Operations of a convolution: two a multiply-add, over the whole batch."""
    return 2 * prod(outputs.shape) * prod(weights.shape[:-1])
