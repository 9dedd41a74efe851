"""Batch normalization in one pass: as exact as two, however far the values are from zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import numbers

from slimtrain.net.layers.normalized import normalized


def plain(values, gamma, beta, epsilon):
    """The definition, in the type of the values."""
    axes = tuple(range(values.ndim - 1))
    mean = values.mean(axes)
    variance = ((values - mean) ** 2).mean(axes)
    return gamma * (values - mean) / np.sqrt(variance + epsilon) + beta, mean, variance


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e2, 1e4, 1e6, 1e7])
def test_it_is_no_worse_than_two_passes_far_from_zero(offset):
    values = np.float32(numbers(16, 9, 9, 5) + offset)
    want, mean, variance = plain(values.astype(np.float64), 1.0, 0.0, 1e-3)
    got, moments = normalized(values, None, None, 1e-3, -1)
    two, _, two_variance = plain(values, np.float32(1), np.float32(0), np.float32(1e-3))
    np.testing.assert_allclose(moments.mean, mean, 3e-7, 1e-6)
    for one_pass, passes, right in ((got, two, want), (moments.variance, two_variance, variance)):
        allowed = max(2 * np.abs(passes - right).max(), 1e-5)
        assert np.abs(one_pass - right).max() <= allowed


def test_a_constant_has_no_variance():
    got, moments = normalized(jnp.full((4, 3, 3, 2), 1e6, jnp.float32), None, None, 1e-3, -1)
    np.testing.assert_array_equal(moments.variance, np.zeros(2))
    np.testing.assert_array_equal(got, np.zeros((4, 3, 3, 2)))


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("shape", [(6, 4), (4, 5, 4), (3, 4, 4, 4), (2, 4, 3, 2, 4)])
def test_its_gradients_are_those_of_the_definition(shape, axis):
    channels = shape[axis]
    values, gamma, beta = numbers(*shape) + 1, numbers(channels), numbers(channels)
    weights = [numbers(*shape), numbers(channels), numbers(channels)]

    def loss(way):
        def of(values, gamma, beta):
            return sum(jnp.sum(w * v) for w, v in zip(weights, way(values, gamma, beta), strict=True))

        return of

    def ours(values, gamma, beta):
        outputs, moments = normalized(values, gamma, beta, 1e-2, axis)
        return outputs, moments.mean, moments.variance

    def definition(values, gamma, beta):
        last = jnp.moveaxis(values, axis, -1)
        axes = tuple(range(last.ndim - 1))
        mean, variance = last.mean(axes), last.var(axes)
        outputs = gamma * (last - mean) / jnp.sqrt(variance + 1e-2) + beta
        return jnp.moveaxis(outputs, -1, axis), mean, variance

    got = jax.grad(loss(ours), (0, 1, 2))(values, gamma, beta)
    want = jax.grad(loss(definition), (0, 1, 2))(values, gamma, beta)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-4)
