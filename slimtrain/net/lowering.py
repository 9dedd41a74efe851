"""How convolutions and pools are computed: one door each, so that a faster way changes nothing else."""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product
from math import prod

from slimtrain.lazy import Array, jnp, lax
from slimtrain.net import bilinear
from slimtrain.net.geometry import geometry, transposed_geometry


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
    return 2 * prod(outputs.shape) * prod(weights.shape[:-1])


def max_pool(inputs: Array, size: Sequence[int], stride: Sequence[int], padding: str, data_format: str) -> Array:
    """The largest value of each window; of equal ones the first has the gradient, as in TensorFlow."""
    outputs: Array = lax.reduce_window(inputs, -jnp.inf, lax.max, *_windows(size, stride, data_format), padding)
    return outputs


def avg_pool(inputs: Array, size: Sequence[int], stride: Sequence[int], padding: str, data_format: str) -> Array:
    """The mean of each window; padding is not counted."""
    windows = _windows(size, stride, data_format)
    total: Array = lax.reduce_window(inputs, 0.0, lax.add, *windows, padding)
    if padding == "VALID":
        return total / prod(size)
    # One channel is enough, and XLA computes it while compiling: seconds for a net of many pools if it were all.
    ones = jnp.ones([1 if axis in "NC" else n for axis, n in zip(data_format, inputs.shape, strict=True)], inputs.dtype)
    counted: Array = lax.reduce_window(ones, 0.0, lax.add, *windows, padding)
    return total / counted


def dilated_max_pool(inputs: Array, size: Sequence[int], rate: Sequence[int], data_format: str) -> Array:
    """max_pool of windows with gaps, VALID and of stride 1; tap by tap, since JAX has no gradient for them."""

    def larger(best: Array, part: Array) -> Array:
        return jnp.where((part > best) | jnp.isnan(part), part, best)

    return reduce(larger, _taps(inputs, size, rate, data_format))


def dilated_avg_pool(inputs: Array, size: Sequence[int], rate: Sequence[int], data_format: str) -> Array:
    """avg_pool of windows with gaps, VALID and of stride 1."""
    return reduce(jnp.add, _taps(inputs, size, rate, data_format)) / prod(size)


def _taps(inputs: Array, size: Sequence[int], rate: Sequence[int], data_format: str) -> Iterator[Array]:
    """For each element of a window, in order, the inputs that the windows have there."""
    sizes, rates = _windows(size, rate, data_format)
    spans = [n - (k - 1) * r for n, k, r in zip(inputs.shape, sizes, rates, strict=True)]
    for tap in product(*map(range, sizes)):
        starts = [i * r for i, r in zip(tap, rates, strict=True)]
        yield inputs[tuple(slice(a, a + n) for a, n in zip(starts, spans, strict=True))]


def _windows(size: Sequence[int], stride: Sequence[int], data_format: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return _over_space(size, data_format), _over_space(stride, data_format)


def _over_space(values: Sequence[int], data_format: str) -> tuple[int, ...]:
    rest = iter(values)
    return tuple(1 if axis in "NC" else next(rest) for axis in data_format)
