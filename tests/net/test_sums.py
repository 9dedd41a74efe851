"""Sums over channels: exact to rounding, whoever computes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec
from nets import numbers

from slimtrain.net.sums import add_channels, channel_powers, channel_products, square_sum


def wanted(a, b, shift):
    a, b, shift = (np.asarray(v, np.float64) for v in (a, b, shift))
    axes = tuple(range(a.ndim - 1))
    powers = np.stack([(a - shift).sum(axes), ((a - shift) ** 2).sum(axes)])
    return powers, np.stack([a.sum(axes), (a * (b - shift)).sum(axes)])


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.integers(1, 257),
    st.sampled_from([0.0, 1.0, 100.0]),
)
def test_they_are_exact_for_any_shape(pixels, channels, offset):
    a, b = (numbers(*pixels, channels) + offset for _ in range(2))
    shift = numbers(channels) + offset
    powers, products = wanted(a, b, shift)
    size = np.abs(a).max() * np.abs(b - shift).max() * np.prod(pixels)
    np.testing.assert_allclose(
        channel_powers(a, shift), powers, 1e-5, 1e-6 * np.square(a - shift).max() * np.prod(pixels)
    )
    np.testing.assert_allclose(channel_products(a, b, shift), products, 1e-5, 1e-6 * size)


def test_many_pixels_do_not_lose_digits():
    a = numbers(64, 100, 100, 3) + 10
    powers, _ = wanted(a, a, np.full(3, 10.0))
    np.testing.assert_allclose(channel_powers(a, np.full(3, 10, np.float32)), powers, 3e-6, 3.0)


def test_they_compose_with_vmap_and_several_devices():
    a, shift = numbers(8, 6, 5), numbers(5)
    each = jax.vmap(channel_powers, (0, None))(a, shift)
    np.testing.assert_allclose(each[3], channel_powers(a[3], shift), 1e-5, 1e-5)
    mesh = jax.make_mesh((4,), ("batch",))
    spread = jax.device_put(a, NamedSharding(mesh, PartitionSpec("batch")))
    np.testing.assert_allclose(jax.jit(channel_powers)(spread, shift), channel_powers(a, shift), 1e-5, 1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_bias_has_the_sum_of_the_gradients(dtype):
    values, biases = jnp.asarray(numbers(4, 3, 5), dtype), jnp.asarray(numbers(5), dtype)
    outputs, pull = jax.vjp(add_channels, values, biases)
    np.testing.assert_array_equal(outputs, values + biases)
    of_values, of_biases = pull(jnp.ones_like(outputs))
    np.testing.assert_array_equal(of_values, jnp.ones_like(values))
    np.testing.assert_array_equal(of_biases, jnp.full(5, 12, dtype))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 40), min_size=0, max_size=4))
def test_squares_of_any_shape_are_summed(shape):
    values = numbers(*shape)
    total, gradient = jax.value_and_grad(square_sum)(jnp.asarray(values))
    np.testing.assert_allclose(total, np.square(values, dtype=np.float64).sum(), 1e-6)
    np.testing.assert_array_equal(gradient, 2 * values)


def test_what_is_not_finite_shows_in_a_sum_of_squares():
    for odd in (np.nan, np.inf, 1e30):
        values = np.ones((32, 33), np.float32)
        values[7, 7] = odd
        assert not np.isfinite(square_sum(jnp.asarray(values)))
