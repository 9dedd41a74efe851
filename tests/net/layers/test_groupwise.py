"""Normalizers without moving statistics: their definition in float64, as layers and inside others."""

import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.errors import ConfigError

INPUTS = 3 + 2 * numbers(2, 4, 4, 6)


def normal(values, axes, epsilon):
    values = values.astype(np.float64)
    return (values - values.mean(axes, keepdims=True)) / np.sqrt(values.var(axes, keepdims=True) + epsilon)


def computed(item):
    net = layers(f"[{{{item}}}]", (4, 4, 6))
    variables = {n: np.full(s.shape, n.endswith("gamma"), np.float32) for n, s in net.specs.items()}
    return np.asarray(net.run(variables, INPUTS)[0])


def test_layer_norm():
    np.testing.assert_allclose(computed("layer_norm"), normal(INPUTS, (1, 2, 3), 1e-12), 1e-4, 1e-4)
    channels = computed("layer_norm: {begin_norm_axis: -1}")
    np.testing.assert_allclose(channels, normal(INPUTS, (3,), 1e-12), 1e-3, 1e-4)


def test_instance_norm():
    np.testing.assert_allclose(computed("instance_norm: {epsilon: 0.1}"), normal(INPUTS, (1, 2), 0.1), 1e-4, 1e-4)


@pytest.mark.parametrize("words", ["", ", mean_close_to_zero: true"])
def test_group_norm(words):
    grouped = normal(INPUTS.reshape(2, 4, 4, 3, 2), (1, 2, 4), 1e-6).reshape(INPUTS.shape)
    np.testing.assert_allclose(computed(f"group_norm: {{groups: 3{words}}}"), grouped, 1e-3, 1e-3)


def test_channels_first():
    net = layers("[{group_norm: {groups: 3, channels_axis: -3, reduction_axes: [-2, -1]}}]", (6, 4, 4))
    variables = {n: np.full(s.shape, n.endswith("gamma"), np.float32) for n, s in net.specs.items()}
    first = net.run(variables, np.moveaxis(INPUTS, -1, 1))[0]
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), computed("group_norm: {groups: 3}"), 1e-5, 1e-5)


@pytest.mark.parametrize("normalizer", ["layer_norm", "instance_norm", "group_norm"])
def test_any_of_them_stands_in_a_layer(normalizer):
    params = "{groups: 2}" if normalizer == "group_norm" else "{}"
    words = f"num_outputs: 4, kernel_size: 3, scope: c, normalizer_fn: {normalizer}, normalizer_params: {params}"
    net = layers(f"[{{conv2d: {{{words}}}}}]")
    name = "".join(part.capitalize() for part in normalizer.split("_"))
    assert set(net.specs) == {"c/weights", f"c/{name}/beta", f"c/{name}/gamma"}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("group_norm: {groups: 4}", "4 groups do not divide 6 channels; use a number that divides 6"),
        ("group_norm: {groups: 2, channels_axis: 5}", "channels_axis 5 is no axis of the inputs [batch, 4, 4, 6]"),
        ("group_norm: {groups: 2, reduction_axes: [1, -1]}", "axis 3 is the channels' and a reduction axis"),
        ("layer_norm: {begin_norm_axis: 4}", "begin_norm_axis 4 is no axis"),
    ],
)
def test_axes_that_do_not_fit_are_told(item, words):
    with pytest.raises(ConfigError, match="net.yaml:1:") as caught:
        layers(f"[{{{item}}}]", (4, 4, 6))
    assert words in str(caught.value)
