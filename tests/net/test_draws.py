"""Draws are `jax.random.bernoulli`'s to the bit, whoever computes them: runs go on elsewhere with the same ones."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec

from slimtrain.net.draws import bernoulli

KEY = jax.random.fold_in(jax.random.key(7), 3)


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 40), max_size=4).map(tuple),
    st.sampled_from([0.0, 1e-7, 0.3, 0.5, 0.9, 1.0]),
)
def test_they_are_jax_s_own(seed, shape, probability):
    key = jax.random.key(np.uint32(seed))
    drawn = bernoulli(key, probability, shape)
    assert drawn.dtype == bool
    np.testing.assert_array_equal(drawn, jax.random.bernoulli(key, probability, shape))


def test_many_draws_on_several_threads_are_too():
    drawn = jax.jit(lambda key: bernoulli(key, 1 / 3, (129, 1023)))(KEY)
    np.testing.assert_array_equal(drawn, jax.random.bernoulli(KEY, 1 / 3, (129, 1023)))


@pytest.mark.parametrize("kind", ["rbg", "unsafe_rbg"])
def test_keys_of_another_kind_are_left_to_jax(kind):
    key = jax.random.key(5, impl=kind)
    np.testing.assert_array_equal(bernoulli(key, 0.5, (99,)), jax.random.bernoulli(key, 0.5, (99,)))


def test_jax_s_older_order_of_draws_is_kept_where_it_is_asked_for():
    with jax.threefry_partitionable(False):
        drawn, wanted = bernoulli(KEY, 0.5, (99,)), jax.random.bernoulli(KEY, 0.5, (99,))
    np.testing.assert_array_equal(drawn, wanted)


def test_they_compose_with_vmap_and_several_devices():
    keys = jax.random.split(KEY, 3)
    each = jax.vmap(lambda key: bernoulli(key, 0.5, (5, 7)))(keys)
    np.testing.assert_array_equal(each[2], bernoulli(keys[2], 0.5, (5, 7)))
    spread = NamedSharding(jax.make_mesh((4,), ("batch",)), PartitionSpec("batch"))
    drawn = jax.jit(lambda key: bernoulli(key, 0.5, (8, 6)), out_shardings=spread)(KEY)
    np.testing.assert_array_equal(drawn, bernoulli(KEY, 0.5, (8, 6)))


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_accelerators_draw_by_jax(platform):
    step = jax.jit(lambda key: bernoulli(jax.random.wrap_key_data(key), 0.5, (8, 6)))
    shape = jax.ShapeDtypeStruct((2,), np.uint32)
    assert "slimtrain_" not in jax.export.export(step, platforms=(platform,))(shape).mlir_module()
