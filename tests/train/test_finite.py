"""Whether numbers are finite, and what stands after a step: natively where that is there, by XLA elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slimtrain.train.finite import all_finite, kept_unless

SIZES = (1, 3, 0, 70_001, 16, 300_000)


def tree(dtype=np.float32):
    numbers = np.random.default_rng(0)
    return [numbers.standard_normal(size).astype(dtype) for size in SIZES]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which, place", [(0, 0), (1, 2), (3, 0), (3, 35_000), (3, -1), (5, 123_456), (5, -1)])
def test_one_number_anywhere_is_seen(bad, which, place):
    arrays = tree()
    check = jax.jit(all_finite)
    assert bool(check(arrays))
    arrays[which][place] = bad
    assert not bool(check(arrays)) and not bool(all_finite(arrays))


def test_the_largest_numbers_and_the_smallest_are_finite():
    edges = np.array([3.4028235e38, -3.4028235e38, 1e-45, -0.0], np.float32)
    assert bool(jax.jit(all_finite)([edges, *tree()]))


def test_all_types_are_looked_at_and_whole_numbers_are_finite():
    others = {"half": jnp.ones(4, jnp.bfloat16), "count": jnp.int32(2**31 - 1), "flag": jnp.bool_(True)}
    assert bool(jax.jit(all_finite)([others, tree()])) and bool(all_finite({})) and bool(all_finite(others))
    others["half"] = others["half"].at[2].set(jnp.inf)
    assert not bool(jax.jit(all_finite)([others, tree()]))


def test_mapped_it_is_asked_of_each():
    rows = np.ones((4, 5), np.float32)
    rows[2, 3] = np.nan
    assert jax.vmap(all_finite)(rows).tolist() == [True, True, False, True]


@pytest.mark.parametrize("good", [True, False])
def test_all_is_new_or_all_is_old_to_the_bit(good):
    old = {"weights": tree(), "count": np.int32(7), "flag": np.bool_(True), "half": jnp.ones(3, jnp.bfloat16)}

    def step(good, old):
        new = {
            "weights": [2 * w for w in old["weights"]],
            "count": old["count"] + 1,
            "flag": ~old["flag"],
            "half": old["half"],
        }
        return kept_unless(good, new, old), new

    chosen, new = jax.jit(step)(good, old)
    want = jax.tree.leaves(new if good else old)
    for got, value in zip(jax.tree.leaves(chosen), want, strict=True):
        assert got.dtype == value.dtype and np.array_equal(np.asarray(got), np.asarray(value))
    for got, value in zip(jax.tree.leaves(new["weights"]), old["weights"], strict=True):
        assert np.array_equal(got, 2 * value)  # what is chosen may lie where the new ones did, if nobody needs them


def test_mapped_each_is_chosen_by_its_own_condition():
    new, old = np.ones((3, 2), np.float32), np.zeros((3, 2), np.float32)
    chosen = jax.vmap(kept_unless)(np.array([True, False, True]), new, old)
    assert chosen[:, 0].tolist() == [1, 0, 1]


def test_spread_over_several_devices_it_is_the_same():
    mesh = jax.make_mesh((jax.device_count(),), ("batch",))
    spread = jax.NamedSharding(mesh, jax.P("batch"))
    values = jax.device_put(np.ones((8, 4), np.float32), spread)
    step = jax.jit(lambda v: (all_finite(v), kept_unless(all_finite(v), v + 1, v)))
    good, chosen = step(values)
    assert bool(good) and np.array_equal(chosen, np.full((8, 4), 2))
