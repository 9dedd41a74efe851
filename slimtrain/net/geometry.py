"""What a convolution is: the shapes of its three arrays and how the kernel moves, all static."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    """A cross-correlation of channels-last values.

    `inputs` [batch, *space, in], `weights` [*size, in / groups, out], `outputs` [batch, *space', out]; `stride`,
    `rate` and `padding` (low, high) have one entry a spatial dimension.
    """

    inputs: Shape
    weights: Shape
    outputs: Shape
    stride: Shape
    rate: Shape
    padding: tuple[tuple[int, int], ...]
    groups: int

    @property
    def size(self) -> Shape:
        """The kernel's size, one a spatial dimension."""
        return self.weights[:-2]

    @property
    def pointwise(self) -> bool:
        """Whether each output pixel is a product of one input pixel and a matrix."""
        return prod(self.size) == 1 and self.groups == 1 and not any(map(any, self.padding))

    @property
    def depthwise(self) -> bool:
        """Whether every input channel is convolved by itself."""
        return self.groups == self.inputs[-1] and self.groups > 1

    @property
    def strided(self) -> bool:
        """Whether the kernel skips pixels."""
        return prod(self.stride) > 1

    @property
    def flops(self) -> int:
        """Operations of the convolution, and of each of its gradients: two a multiply-add."""
        return operations(self.outputs, self.weights)


def operations(outputs: Shape, weights: Shape) -> int:
    """Operations of a convolution of such outputs and weights, over the whole batch."""
    return 2 * prod(outputs) * prod(weights[:-1])


def geometry(
    inputs: Shape, weights: Shape, stride: Sequence[int], padding: str, rate: Sequence[int], groups: int = 1
) -> Geometry:
    """The geometry of a convolution with TensorFlow's padding rules, SAME or VALID."""
    space = list(zip(inputs[1:-1], weights[:-2], stride, rate, strict=True))
    pads = tuple(_padding(n, k, s, r) if padding == "SAME" else (0, 0) for n, k, s, r in space)
    sizes = [max((n + sum(p) - (k - 1) * r - 1) // s + 1, 0) for (n, k, s, r), p in zip(space, pads, strict=True)]
    outputs = (inputs[0], *sizes, weights[-1])
    return Geometry(inputs, weights, outputs, tuple(stride), tuple(rate), pads, groups)


def transposed_geometry(outputs: Shape, weights: Shape, stride: Sequence[int], padding: str) -> Geometry:
    """The geometry of the convolution that takes a transposed convolution's outputs back to its inputs, `outputs`."""
    space = zip(outputs[1:-1], weights[:-2], stride, strict=True)
    sizes = [n * s + (max(k - s, 0) if padding == "VALID" else 0) for n, k, s in space]
    return geometry((outputs[0], *sizes, weights[-2]), weights, stride, padding, (1,) * len(stride))


def _padding(size: int, kernel: int, stride: int, rate: int) -> tuple[int, int]:
    """SAME: as much as ceil(size / stride) windows need, the odd one after."""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * rate + 1 - size, 0)
    return total // 2, total - total // 2
