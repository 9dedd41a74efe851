"""The input gradient of a strided convolution, as convolutions of stride 1.

Input pixels whose places have the same remainders by the stride are a phase: they are met by the same taps, so that
their gradient is a convolution of the outputs with those taps alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import gcd

from slimtrain.lazy import Array, jnp
from slimtrain.net.geometry import Geometry, Shape
from slimtrain.net.lowerings import xla

Forward = Callable[[Array, Array, Geometry], Array]


@dataclass(frozen=True)
class _Line:
    """A phase along one dimension: its taps, their rate, the outputs it meets and their padding (low, high)."""

    taps: range
    rate: int
    met: slice
    padding: tuple[int, int]


def input_gradient(outputs: Array, weights: Array, geometry: Geometry, forward: Forward = xla.forward) -> Array:
    """[batch, *space, in], by `forward` for each phase."""
    kernel = _transposed(weights, geometry)
    remainders = product(*map(range, geometry.stride))
    parts = [_phase(outputs, kernel, geometry, remainder, forward) for remainder in remainders]
    return _interleaved(parts, geometry)


def _phase(outputs: Array, kernel: Array, geometry: Geometry, remainders: Shape, forward: Forward) -> Array:
    """The gradient [batch, *counts, in] of a phase's pixels."""
    lines = [_line(geometry, axis, remainder) for axis, remainder in enumerate(remainders)]
    shape = (outputs.shape[0], *_counts(geometry), geometry.inputs[-1])
    if not all(line.taps for line in lines):
        return jnp.zeros(shape, outputs.dtype)
    met = outputs[:, *(line.met for line in lines)]
    taps = jnp.flip(kernel[*(slice(line.taps.start, None, line.taps.step) for line in lines)], range(len(lines)))
    ones, rates, paddings = zip(*((1, line.rate, line.padding) for line in lines), strict=True)
    part = Geometry(met.shape, taps.shape, shape, ones, rates, paddings, geometry.groups)
    return forward(met, taps, part)


def _line(geometry: Geometry, axis: int, remainder: int) -> _Line:
    """Input pixel `q * stride + remainder` meets with tap `t` the output pixel `q + (place - t * rate) / stride`."""
    size, stride, rate = geometry.size[axis], geometry.stride[axis], geometry.rate[axis]
    place, common = remainder + geometry.padding[axis][0], gcd(rate, stride)
    first = next((t for t in range(size) if (place - t * rate) % stride == 0), size)
    taps = range(first, size, stride // common)
    begin = (place - taps[-1] * rate) // stride if taps else 0
    end, outputs = _counts(geometry)[axis] + (place - first * rate) // stride, geometry.outputs[1 + axis]
    met, padding = slice(max(begin, 0), min(end, outputs)), (max(-begin, 0), max(end - outputs, 0))
    return _Line(taps, rate // common, met, padding)


def _counts(geometry: Geometry) -> Shape:
    """Pixels of a phase, the last of which may lie behind the inputs."""
    return tuple(-(-n // s) for n, s in zip(geometry.inputs[1:-1], geometry.stride, strict=True))


def _transposed(weights: Array, geometry: Geometry) -> Array:
    """[*size, out / groups, in] from [*size, in / groups, out]."""
    *size, inputs, outputs = weights.shape
    parted = weights.reshape(*size, inputs, geometry.groups, outputs // geometry.groups)
    return jnp.swapaxes(parted, -1, -3).reshape(*size, outputs // geometry.groups, geometry.inputs[-1])


def _interleaved(parts: list[Array], geometry: Geometry) -> Array:
    """[batch, *space, in] from the phases."""
    batch, *counts, channels = parts[0].shape
    rank = len(counts)
    order = [rank, *(axis for i in range(rank) for axis in (rank + 1 + i, i)), 2 * rank + 1]
    apart = jnp.stack(parts).reshape(*geometry.stride, *parts[0].shape).transpose(order)
    sizes = [n * s for n, s in zip(counts, geometry.stride, strict=True)]
    return apart.reshape(batch, *sizes, channels)[:, *map(slice, geometry.inputs[1:-1])]
