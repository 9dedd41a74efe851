"""Layers that act on each value or each vector of channels; parity with TF-Slim is held by tests/golden_more/ops_*."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers, scope

from slimtrain.errors import ConfigError
from slimtrain.net.layers.pointwise import activation, lrn, maxout, scale, scale_gradient, spatial_softmax, unit_norm


def test_an_activation_by_itself():
    inputs = numbers(2, 3)
    np.testing.assert_array_equal(activation(scope(), inputs), np.maximum(inputs, 0))
    np.testing.assert_allclose(activation(scope(), inputs, activation_fn=np.tanh), np.tanh(inputs))


def test_scale_multiplies_by_a_constant():
    np.testing.assert_array_equal(scale(scope(), jnp.asarray([[1.0, -4.0]]), multiplier=0.5), [[0.5, -2.0]])


def test_maxout_takes_runs_of_neighbours():
    np.testing.assert_array_equal(maxout(scope(), jnp.asarray([[1.0, 5.0, 2.0, 3.0]]), num_units=2), [[5.0, 3.0]])
    assert maxout(scope(), jnp.zeros((2, 6, 4)), num_units=3, axis=1).shape == (2, 3, 4)


def test_unit_norm_makes_vectors_of_length_one():
    outputs = unit_norm(scope(), numbers(2, 3, 4), dim=2)
    np.testing.assert_allclose(np.linalg.norm(outputs, axis=2), 1, 1e-5)


def test_scale_gradient_is_the_identity_but_for_the_gradient():
    inputs = numbers(3)
    value, pull = jax.vjp(lambda x: scale_gradient(scope(), x, multiplier=-0.5), inputs)
    np.testing.assert_array_equal(value, inputs)
    np.testing.assert_allclose(pull(jnp.ones(3))[0], -0.5)


def test_lrn_sums_over_the_neighbours_that_are_there():
    inputs = np.abs(numbers(1, 1, 1, 4))
    squares = np.array([inputs[..., max(c - 1, 0) : c + 2].__pow__(2).sum() for c in range(4)])
    wanted = inputs * (2 + 0.5 * squares) ** -0.75
    np.testing.assert_allclose(lrn(scope(), inputs, depth_radius=1, bias=2.0, alpha=0.5, beta=0.75), wanted, 1e-5)


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_spatial_softmax_finds_the_brightest_place(data_format):
    image = np.zeros((1, 3, 5, 2), np.float32)
    image[0, 0, 4, 0] = image[0, 2, 0, 1] = 100
    inputs = np.moveaxis(image, -1, 1) if data_format == "NCHW" else image
    places = spatial_softmax(scope(temperature=np.float32(1)), jnp.asarray(inputs), data_format=data_format)
    np.testing.assert_allclose(places, [[-1, 1, 1, -1]], atol=1e-4)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("maxout: {num_units: 3}", "num_units 3 does not divide 2; use a divisor"),
        ("maxout: {num_units: 2, axis: 7}", "axis 7 is no axis of the inputs [batch, 4, 4, 2]"),
        ("unit_norm: {dim: 4}", "dim 4 is no axis of the inputs [batch, 4, 4, 2]; use 0 to 3"),
    ],
)
def test_arguments_that_do_not_fit_are_told(item, words):
    with pytest.raises(ConfigError, match="net.yaml:1:") as caught:
        layers(f"[{{{item}}}]")
    assert words in str(caught.value)
