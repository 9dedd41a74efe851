"""conv2d against its definition, computed in float64 with TensorFlow's padding rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import layers, numbers, scope, windows

from slimtrain.errors import ConfigError
from slimtrain.net.layers.conv import conv2d

SMALL = st.integers(1, 3)


@st.composite
def geometries(draw):
    rate = draw(st.tuples(SMALL, SMALL))
    stride = (1, 1) if max(rate) > 1 else draw(st.tuples(SMALL, SMALL))
    kernel = draw(st.tuples(SMALL, SMALL))
    reach = [(k - 1) * r + 1 for k, r in zip(kernel, rate, strict=True)]
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    size = [draw(st.integers(n if padding == "VALID" else 1, n + 3)) for n in reach]
    channels = draw(st.tuples(SMALL, SMALL))
    return size, kernel, stride, rate, padding, draw(st.sampled_from(["NHWC", "NCHW"])), channels


def taps(size, kernel, stride, rate, padding):
    """The padding of the inputs, and for each tap of the kernel the part of the padded inputs that it sees."""
    rows, columns = (windows(*one, padding) for one in zip(size, kernel, stride, rate, strict=True))
    parts = {}
    for i, j in np.ndindex(*kernel):
        down = slice(i * rate[0], i * rate[0] + (rows[0] - 1) * stride[0] + 1, stride[0])
        across = slice(j * rate[1], j * rate[1] + (columns[0] - 1) * stride[1] + 1, stride[1])
        parts[i, j] = (slice(None), down, across)
    return ((0, 0), rows[1:], columns[1:], (0, 0)), (rows[0], columns[0]), parts


def expected(inputs, weights, cotangent_seed, geometry):
    """(outputs, cotangent, gradient of the inputs, gradient of the weights), NHWC, float64."""
    pads, outer, parts = taps(*geometry)
    padded = np.pad(inputs.astype(np.float64), pads)
    outputs = sum(padded[part] @ weights[tap].astype(np.float64) for tap, part in parts.items())
    assert outputs.shape[1:3] == outer
    cotangent = numbers(*outputs.shape, seed=cotangent_seed)
    of_weights, of_padded = np.zeros(weights.shape), np.zeros(padded.shape)
    for tap, part in parts.items():
        of_weights[tap] = np.einsum("bhwi,bhwo->io", padded[part], cotangent)
        of_padded[part] += cotangent @ weights[tap].astype(np.float64).T
    (top, _), (left, _) = pads[1:3]
    rows, columns = inputs.shape[1:3]
    return outputs, cotangent, of_padded[:, top : top + rows, left : left + columns], of_weights


@given(geometries())
@settings(max_examples=10, deadline=None, derandomize=True)
def test_any_geometry_agrees_with_the_definition(geometry):
    size, kernel, stride, rate, padding, data_format, (inner, outer) = geometry
    inputs, weights = numbers(2, *size, inner, seed=1), numbers(*kernel, inner, outer, seed=2)
    want, cotangent, of_inputs, of_weights = expected(inputs, weights, 3, (size, kernel, stride, rate, padding))
    first = (lambda a: jnp.moveaxis(a, -1, 1)) if data_format == "NCHW" else jnp.asarray

    def compute(inputs, weights):
        return conv2d(
            scope(weights=weights, biases=np.zeros(outer, np.float32)),
            first(inputs),
            num_outputs=outer,
            kernel_size=kernel,
            stride=stride,
            rate=rate,
            padding=padding,
            data_format=data_format,
            activation_fn=None,
        )

    got, pull = jax.vjp(compute, inputs, weights)
    assert got.shape == first(want).shape
    np.testing.assert_allclose(got, first(want), 1e-4, 1e-4)
    for gradient, wanted in zip(pull(first(cotangent)), (of_inputs, of_weights), strict=True):
        np.testing.assert_allclose(gradient, wanted, 1e-4, 1e-4)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", {"c/weights", "c/biases"}),
        ("biases_initializer: null", {"c/weights"}),
        ("biases_initializer: null, normalizer_fn: batch_norm, normalizer_params: {center: false}", None),
        ("normalizer_fn: batch_norm", None),
    ],
)
def test_biases_are_there_unless_something_stands_in_for_them(words, names):
    statistics = {"c/weights", "c/BatchNorm/moving_mean", "c/BatchNorm/moving_variance"}
    wanted = names or statistics | ({"c/BatchNorm/beta"} if "center" not in words else set())
    assert set(layers(f"[conv2d: {{num_outputs: 3, kernel_size: 1, scope: c, {words}}}]").specs) == wanted


def test_channels_first_keeps_the_kernel_and_adds_biases_to_channels():
    net = layers("[conv2d: {num_outputs: 3, kernel_size: [2, 3], data_format: NCHW, scope: c}]", (2, 5, 6))
    assert net.specs["c/weights"].shape == (2, 3, 2, 3)
    zero = {"c/weights": np.zeros((2, 3, 2, 3), np.float32), "c/biases": np.array([1, 2, 3], np.float32)}
    output, _, _ = net.run(zero, numbers(2, 2, 5, 6))
    assert output.shape == (2, 3, 5, 6)
    np.testing.assert_array_equal(output[0, :, 4, 5], [1, 2, 3])


def test_operations_are_two_a_multiply_add():
    net = layers("[conv2d: {num_outputs: 3, kernel_size: 3, stride: 2, scope: c}]", (4, 4, 2))
    point = next(e for e in net.network.declaration.end_points if e.name == "c")
    assert point.flops == 2 * (2 * 2 * 2 * 3) * (3 * 3 * 2)
    assert point.parameters == 3 * 3 * 2 * 3 + 3


@pytest.mark.parametrize(
    ("words", "shape", "told"),
    [
        ("kernel_size: 3", (5,), "expects inputs of rank 4, got rank 2"),
        ("kernel_size: 3, stride: 2, rate: 2", (4, 4, 2), "both above 1"),
        ("kernel_size: 5, padding: VALID", (4, 4, 2), "is larger than the inputs"),
    ],
)
def test_what_it_refuses_is_told_with_the_layer_and_its_line(words, shape, told):
    with pytest.raises(ConfigError, match=told) as caught:
        layers(f"[conv2d: {{num_outputs: 3, scope: c, {words}}}]", shape)
    (problem,) = caught.value.problems
    assert problem.where == "conv2d 'c'"
    assert problem.mark.line == 1


@pytest.mark.parametrize(
    "item", ["conv2d: {num_outputs: 3, kernel_size: 1}", "batch_norm", "fully_connected: {num_outputs: 2}"]
)
def test_whole_numbers_are_refused_instead_of_rounding_weights_to_them(item):
    with pytest.raises(ConfigError, match="takes floating-point inputs, got int32"):
        layers(f"[{item}]", dtype="int32")
