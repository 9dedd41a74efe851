"""Convolutions that keep channels apart, against a convolution of each channel by itself."""

import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.errors import ConfigError


def test_channel_c_times_multiplier_plus_m_is_multiple_m_of_channel_c():
    net = layers("[{separable_conv2d: {num_outputs: null, kernel_size: 1, depth_multiplier: 3, scope: s}}]", (2, 2, 2))
    inputs, weights = numbers(1, 2, 2, 2), numbers(1, 1, 2, 3, seed=1)
    variables = {**net.random(), "s/depthwise_weights": weights, "s/biases": np.zeros(6, np.float32)}
    output, _, _ = net.run(variables, inputs)
    wanted = (inputs[..., :, None] * weights[0, 0]).reshape(1, 2, 2, 6)
    np.testing.assert_allclose(output, np.maximum(wanted, 0), 1e-5)


def test_a_separable_convolution_is_a_convolution_with_the_product_kernel():
    separable = (
        "{separable_conv2d: {num_outputs: 3, kernel_size: 3, depth_multiplier: 2, scope: a, activation_fn: null}}"
    )
    whole = "{conv2d: {num_outputs: 3, kernel_size: 3, scope: a, activation_fn: null}}"
    inputs, depth, point = numbers(2, 5, 5, 2), numbers(3, 3, 2, 2, seed=1), numbers(1, 1, 4, 3, seed=2)
    biases = {"a/biases": np.ones(3, np.float32)}
    apart = {"a/depthwise_weights": depth, "a/pointwise_weights": point, **biases}
    kernel = np.einsum("hwcm,cmo->hwco", depth, point[0, 0].reshape(2, 2, 3))
    one, _, _ = layers(f"[{separable}]", (5, 5, 2)).run(apart, inputs)
    other, _, _ = layers(f"[{whole}]", (5, 5, 2)).run({"a/weights": kernel, **biases}, inputs)
    np.testing.assert_allclose(one, other, 1e-4, 1e-5)


def test_both_kernels_are_regularized():
    net = layers("[{separable_conv2d: {num_outputs: 3, kernel_size: 3, weights_regularizer: {l2: 0.1}}}]")
    assert sum(1 for spec in net.specs.values() if spec.regularizer) == 2


def test_stride_and_rate_together_are_refused_with_and_without_the_mixing():
    for outputs in ("3", "null"):
        with pytest.raises(ConfigError, match="are both above 1"):
            layers(f"[{{separable_conv2d: {{num_outputs: {outputs}, kernel_size: 3, stride: 2, rate: 2}}}}]")


def test_num_outputs_must_be_said_even_if_it_is_null():
    with pytest.raises(ConfigError, match="'num_outputs' is missing"):
        layers("[{separable_conv2d: {kernel_size: 3}}]")
