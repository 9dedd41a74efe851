"""Local response normalization against its definition in float64, natively and in JAX's own operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import numbers

from slimtrain.net.responses import local_response


def defined(x, radius, bias, alpha, beta):
    """The definition in JAX's plainest operations, which JAX differentiates."""
    channels = x.shape[-1]
    near = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels))) <= radius
    return x / (bias + alpha * (x * x) @ near.astype(np.float64)) ** beta


@pytest.mark.parametrize("beta", [0.5, 0.75, 0.6, 1.0, 0.0])
@pytest.mark.parametrize(
    "shape, radius", [((2, 9, 8, 64), 4), ((3, 5, 5, 37), 5), ((130, 2, 1, 3), 7), ((1, 1, 1, 1), 0)]
)
def test_values_and_gradients_are_those_of_its_definition(shape, radius, beta):
    x, pull, words = 3 * numbers(*shape, seed=1), numbers(*shape, seed=2), (radius, 1.5, 0.25, beta)
    got, back = jax.vjp(lambda x: local_response(x, *words), jnp.asarray(x))
    with jax.enable_x64(True):
        want, exact = jax.vjp(lambda x: defined(x, *words), jnp.asarray(x, jnp.float64))
        wanted = exact(jnp.asarray(pull, jnp.float64))[0]
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(back(jnp.asarray(pull))[0], wanted, rtol=1e-4, atol=1e-5)


def test_no_pixels_and_numbers_that_are_not_finite():
    assert local_response(jnp.zeros((0, 3, 3, 8)), 4, 1.0, 1.0, 0.75).shape == (0, 3, 3, 8)
    bad = jnp.zeros((1, 1, 1, 20)).at[0, 0, 0, 3].set(jnp.nan)
    assert np.flatnonzero(np.isnan(local_response(bad, 2, 1.0, 1.0, 0.5))).tolist() == [1, 2, 3, 4, 5]


def test_mapped_and_of_another_type_it_is_the_same():
    x = jnp.asarray(numbers(4, 3, 2, 24))
    alone = local_response(x, 4, 1.0, 0.5, 0.75)
    np.testing.assert_allclose(jax.vmap(lambda x: local_response(x, 4, 1.0, 0.5, 0.75))(x), alone, rtol=1e-5, atol=1e-6)
    half = local_response(x.astype(jnp.bfloat16), 4, 1.0, 0.5, 0.75)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), alone, rtol=0.05, atol=0.02)
