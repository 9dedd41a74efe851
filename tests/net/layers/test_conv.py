"""Convolutions: their variables, what they refuse, their cost; test_geometries.py holds them to their definition."""

import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.errors import ConfigError


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
