"""Pooling."""

from math import prod
from typing import Literal

from slimtrain.config.catalog import layer
from slimtrain.config.values import Axes, ImageFormat, Padding, PoolFormat, Size, Size2D, Size3D, VolumeFormat
from slimtrain.lazy import Array, jnp
from slimtrain.net.layers.common import need_rank
from slimtrain.net.pooling import avg_pool, max_pool
from slimtrain.net.scope import LayerError, Scope, shown
from slimtrain.net.windows import LARGEST


@layer(scope="MaxPool2D")
def max_pool2d(
    scope: Scope,
    inputs: Array,
    *,
    kernel_size: Size2D,
    stride: Size2D = (2, 2),
    padding: Padding = "VALID",
    data_format: ImageFormat = "NHWC",
) -> Array:
    """Takes the largest value of each window.

    Args:
        kernel_size: height and width of the window, in pixels.
        stride: step of the window, in pixels.
        padding: SAME keeps ceil(size / stride) pixels, VALID only whole windows.
        data_format: NHWC or NCHW.

    Returns:
        [batch, height', width', channels], or channels first.

    Raises:
        LayerError: inputs not of rank 4, or smaller than the window.

    Source: TF-Slim layers, max_pool2d.
    """
    _fits(inputs, kernel_size, padding, data_format)
    return max_pool(inputs, kernel_size, stride, padding, data_format)


@layer(scope="AvgPool2D", like=max_pool2d)
def avg_pool2d(
    scope: Scope,
    inputs: Array,
    *,
    kernel_size: Size2D,
    stride: Size2D = (2, 2),
    padding: Padding = "VALID",
    data_format: ImageFormat = "NHWC",
) -> Array:
    """Takes the mean of each window; what SAME pads is not counted.

    Returns:
        As max_pool2d.

    Source: TF-Slim layers, avg_pool2d.
    """
    _fits(inputs, kernel_size, padding, data_format)
    return avg_pool(inputs, kernel_size, stride, padding, data_format)


@layer(scope="MaxPool3D", like=max_pool2d)
def max_pool3d(
    scope: Scope,
    inputs: Array,
    *,
    kernel_size: Size3D,
    stride: Size3D = (2, 2, 2),
    padding: Padding = "VALID",
    data_format: VolumeFormat = "NDHWC",
) -> Array:
    """Takes the largest value of each window of a volume.

    Args:
        kernel_size: depth, height and width of the window, in voxels.
        stride: step of the window, in voxels.
        data_format: NDHWC or NCDHW.

    Returns:
        [batch, depth', height', width', channels], or channels first.

    Raises:
        LayerError: inputs not of rank 5, or smaller than the window.

    Source: TF-Slim layers, max_pool3d.
    """
    _fits(inputs, kernel_size, padding, data_format)
    return max_pool(inputs, kernel_size, stride, padding, data_format)


@layer(scope="AvgPool3D", like=max_pool3d)
def avg_pool3d(
    scope: Scope,
    inputs: Array,
    *,
    kernel_size: Size3D,
    stride: Size3D = (2, 2, 2),
    padding: Padding = "VALID",
    data_format: VolumeFormat = "NDHWC",
) -> Array:
    """Takes the mean of each window of a volume; what SAME pads is not counted.

    Args:
        padding: SAME keeps ceil(size / stride) voxels, VALID only whole windows.

    Returns:
        As max_pool3d.

    Source: TF-Slim layers, avg_pool3d.
    """
    _fits(inputs, kernel_size, padding, data_format)
    return avg_pool(inputs, kernel_size, stride, padding, data_format)


@layer(scope="{pooling_type}_pool", like=max_pool2d)
def pool(
    scope: Scope,
    inputs: Array,
    *,
    kernel_size: Size,
    pooling_type: Literal["AVG", "MAX"],
    padding: Padding = "VALID",
    data_format: PoolFormat | None = None,
    dilation_rate: Size = 1,
    stride: Size = 1,
) -> Array:
    """Pools in one, two or three dimensions.

    Args:
        kernel_size: size of the window, one number for all dimensions or one each.
        pooling_type: AVG for the mean, MAX for the largest value.
        data_format: NWC, NHWC, NDHWC or, channels first, NCW, NCHW, NCDHW; channels last where omitted.
        dilation_rate: distance of the window's elements; with stride 1 and VALID only.
        stride: step of the window.

    Returns:
        [batch, *space', channels], or channels first.

    Raises:
        LayerError: inputs of another rank than 3, 4 or 5; dilation_rate above 1 with a stride above 1 or SAME.

    Source: TF-Slim layers, pool.
    """
    if not 3 <= inputs.ndim <= 5:
        raise LayerError(f"expects inputs of rank 3, 4 or 5, got {shown(inputs.shape)}")
    order = data_format or {3: "NWC", 4: "NHWC", 5: "NDHWC"}[inputs.ndim]
    size, steps, rate = (spread(v, inputs.ndim - 2) for v in (kernel_size, stride, dilation_rate))
    if max(steps) > 1 and max(rate) > 1:
        raise LayerError(
            f"stride {list(steps)} and dilation_rate {list(rate)} are both above 1", "set one of them to 1"
        )
    if padding == "SAME" and max(rate) > 1:
        raise LayerError(
            f"dilation_rate {list(rate)} does not go with padding SAME", "use VALID, with a 'pad' before it"
        )
    reach = tuple(1 + (k - 1) * r for k, r in zip(size, rate, strict=True))
    _fits(inputs, reach, padding, order)
    return (avg_pool if pooling_type == "AVG" else max_pool)(inputs, size, steps, padding, order, rate)


@layer(scope="GlobalAvgPool")
def global_avg_pool(
    scope: Scope, inputs: Array, *, keep_dims: bool = False, data_format: ImageFormat = "NHWC"
) -> Array:
    """Takes the mean over height and width.

    Args:
        keep_dims: keep them, as 1 by 1.
        data_format: NHWC or NCHW.

    Returns:
        [batch, channels], or of rank 4 with keep_dims.

    Raises:
        LayerError: inputs not of rank 4.
    """
    need_rank("global_avg_pool", inputs, 4)
    axes = (2, 3) if data_format == "NCHW" else (1, 2)
    return jnp.mean(inputs, axes, keepdims=keep_dims)


@layer(scope="Mean")
def reduce_mean(scope: Scope, inputs: Array, *, axis: Axes, keep_dims: bool = False) -> Array:
    """Takes the mean over axes: of frames, say, or of all pixels of a video.

    Args:
        axis: the axes, from 1 (0 is the batch); negative ones count from the last.
        keep_dims: keep them, of length 1.

    Returns:
        The inputs' shape without them.

    Raises:
        LayerError: an axis that the inputs do not have, or the batch.

    Source: tf.reduce_mean.
    """
    wrong = [a for a in axis if not -inputs.ndim < a < inputs.ndim or a == 0]
    if wrong:
        raise LayerError(
            f"axis {wrong[0]} is no axis of an example, of inputs of rank {inputs.ndim}",
            f"use 1 to {inputs.ndim - 1}, or negative ones",
        )
    return jnp.mean(inputs, tuple({a % inputs.ndim for a in axis}), keepdims=keep_dims)


def spread(value: Size, dimensions: int) -> tuple[int, ...]:
    """One number for every spatial dimension; raises LayerError where there are more or fewer."""
    values = (value,) * dimensions if isinstance(value, int) else tuple(value)
    if len(values) != dimensions:
        raise LayerError(f"{list(values)} does not fit {dimensions} spatial dimensions", f"give one or {dimensions}")
    return values


def _fits(inputs: Array, kernel_size: tuple[int, ...], padding: str, data_format: str) -> None:
    need_rank("pooling", inputs, len(data_format))
    space = [n for n, axis in zip(inputs.shape, data_format, strict=True) if axis not in "NC"]
    if max(prod(space), prod(kernel_size)) > LARGEST:
        told = f"kernel_size {list(kernel_size)} over inputs {shown(inputs.shape)}: more than {LARGEST} places"
        raise LayerError(told, "use smaller ones")
    if padding == "VALID" and any(k > n for k, n in zip(kernel_size, space, strict=True)):
        what = f"kernel_size {list(kernel_size)} is larger than the inputs {shown(inputs.shape)}"
        raise LayerError(what, "use padding SAME, a smaller window, or larger inputs")
