"""Sums that do not depend on how their terms are put together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slimtrain.train.exact import exact_product, exact_sum

VALUES = (np.random.default_rng(0).normal(size=(1000, 3)) * 10.0 ** np.arange(-3, 7, 0.01)[:, None]).astype(np.float32)
FUSING = {"xla_backend_optimization_level": 3}


def add(values):
    return jax.jit(exact_sum)(values, np.ones(len(values), np.float32))


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_floats_add_up_to_what_float64_gives(size):
    found = sum(add(VALUES[start : start + size]).float64() for start in range(0, 1000, size))
    np.testing.assert_allclose(found, VALUES.astype(np.float64).sum(0), 1e-13)


@pytest.mark.parametrize("size", [7, 64])
def test_products_are_rounded_before_they_are_added(size):
    one, other = VALUES[:, 0], VALUES[:, 1]
    step = jax.jit(lambda a, b, mask: exact_sum(a * b, mask), compiler_options=FUSING)
    found = 0.0
    for start in range(0, 1000, size):
        rows = slice(start, start + size)
        found += step(one[rows], other[rows], np.ones(len(one[rows]))).float64()
    assert found == pytest.approx((one * other).astype(np.float64).sum(), rel=1e-13)


def test_float32_alone_would_not_do():
    rounded = np.asarray(jnp.sum(VALUES, 0), np.float64)
    assert np.max(np.abs(rounded / VALUES.astype(np.float64).sum(0) - 1)) > 1e-9


def test_truths_and_whole_numbers_are_counted():
    many = jnp.ones(2**25 + 1, bool)
    assert add(many).float64() == 2**25 + 1
    assert add(jnp.asarray([[2, 3], [4, 5]])).float64().tolist() == [6, 8]


def test_rows_that_are_masked_may_hold_anything():
    assert exact_sum(jnp.asarray([1.0, jnp.nan, 2.0]), jnp.asarray([1.0, 0.0, 1.0])).float64() == 3


def test_what_is_not_finite_stays_so():
    found = add(jnp.asarray([[1.0, 1.0, 1.0], [jnp.inf, -jnp.inf, jnp.nan], [2.0, 2.0, 2.0]])).float64()
    assert found[0] == np.inf and found[1] == -np.inf and np.isnan(found[2])


def test_products_keep_every_digit():
    one, other = VALUES[:, 0], VALUES[:, 1]
    high, low = (np.asarray(part, np.float64) for part in jax.jit(exact_product)(one, other))
    wanted = one.astype(np.float64) * other.astype(np.float64)
    assert np.any(high != wanted)
    np.testing.assert_array_equal(high + low, wanted)
