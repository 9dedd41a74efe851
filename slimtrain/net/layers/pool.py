"""Pooling."""

from slimtrain.config.catalog import layer
from slimtrain.config.values import ImageFormat, Padding, Size2D
from slimtrain.lazy import Array, jnp
from slimtrain.net.layers.common import need_rank
from slimtrain.net.lowering import avg_pool, max_pool
from slimtrain.net.scope import LayerError, Scope, shown


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


def _fits(inputs: Array, kernel_size: Size2D, padding: Padding, data_format: ImageFormat) -> None:
    need_rank("pooling", inputs, 4)
    space = inputs.shape[2:] if data_format == "NCHW" else inputs.shape[1:3]
    if padding == "VALID" and any(k > n for k, n in zip(kernel_size, space, strict=True)):
        what = f"kernel_size {list(kernel_size)} is larger than the inputs {shown(inputs.shape)}"
        raise LayerError(what, "use padding SAME, a smaller window, or larger inputs")
