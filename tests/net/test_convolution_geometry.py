"""The static shapes of a convolution."""

import jax
import pytest
from hypothesis import given, settings
from kernels import geometries
from nets import numbers

from slimtrain.net.geometry import geometry, transposed_geometry


@settings(max_examples=200)
@given(shapes=geometries())
def test_same_pads_as_tensorflow_does(shapes):
    """ceil(size / stride) outputs, the padding in halves, the odd one after."""
    for axis, (low, high) in enumerate(shapes.padding):
        size, stride = shapes.inputs[1 + axis], shapes.stride[axis]
        reach = (shapes.size[axis] - 1) * shapes.rate[axis] + 1
        assert shapes.outputs[1 + axis] == (size + low + high - reach) // stride + 1
        if low or high:
            assert shapes.outputs[1 + axis] == -(-size // stride)
            assert 0 <= high - low <= 1
            assert (shapes.outputs[1 + axis] - 1) * stride + reach == size + low + high  # no more than is needed


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "rate", "outputs", "padding"),
    [(224, 7, 2, 1, 112, (2, 3)), (5, 2, 1, 1, 5, (0, 1)), (8, 3, 1, 4, 8, (4, 4)), (6, 1, 3, 1, 2, (0, 0))],
)
def test_known_paddings(size, kernel, stride, rate, outputs, padding):
    got = geometry((1, size, 3), (kernel, 3, 4), (stride,), "SAME", (rate,))
    assert (got.outputs, got.padding) == ((1, outputs, 4), (padding,))


def test_valid_pads_nothing_and_may_leave_no_outputs():
    assert geometry((2, 9, 5, 3), (3, 3, 3, 4), (2, 2), "VALID", (1, 2)).outputs == (2, 4, 1, 4)
    assert geometry((2, 2, 5, 3), (3, 3, 3, 4), (1, 1), "VALID", (1, 1)).outputs == (2, 0, 3, 4)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (2, 3), (5, 1)])
def test_a_transposed_convolution_is_as_large_as_jaxs(padding, kernel, stride):
    given, weights = numbers(2, 7, 6, 4), numbers(kernel, kernel, 3, 4)
    got = transposed_geometry(given.shape, weights.shape, (stride, stride), padding)
    want = jax.lax.conv_transpose(
        given, weights, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), transpose_kernel=True
    )
    assert (got.inputs, got.outputs) == (want.shape, given.shape)


def test_kinds_of_convolutions():
    pointwise = geometry((1, 4, 4, 3), (1, 1, 3, 5), (2, 2), "SAME", (1, 1))
    assert pointwise.pointwise and pointwise.strided and not pointwise.depthwise
    depthwise = geometry((1, 4, 4, 3), (3, 3, 1, 6), (1, 1), "SAME", (1, 1), 3)
    assert depthwise.depthwise and not depthwise.pointwise and not depthwise.strided
    assert not geometry((1, 4, 4, 1), (3, 3, 1, 6), (1, 1), "SAME", (1, 1)).depthwise
    assert not geometry((1, 4, 4, 4), (1, 1, 2, 6), (1, 1), "SAME", (1, 1), 2).pointwise


def test_operations_are_two_a_multiply_add():
    assert geometry((2, 8, 8, 4), (3, 3, 2, 6), (1, 1), "SAME", (1, 1), 2).flops == 2 * (2 * 8 * 8 * 6) * (3 * 3 * 2)
