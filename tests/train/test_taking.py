"""A step in one pass against the same step as optax takes it, natively and in JAX's own operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import numbers

from slimtrain.train import optim
from slimtrain.train.taking import in_one_pass, stepwise

SIZES = {"a": (3, 2), "b": (), "c": (0,), "d": (70, 1001)}


def tree(seed):
    return {name: jnp.asarray(numbers(*shape, seed=seed + place)) for place, (name, shape) in enumerate(SIZES.items())}


def falling(step):
    return 0.5 / (1.0 + step)


def after(take, optimizer, gradients, variables):
    """What comes of two steps: (variables, state, whether all was finite)."""
    state, sound = optimizer.init(variables), jnp.bool_(True)
    step = jax.jit(lambda *given: take(optimizer, *given))
    for _ in range(2):
        variables, state, good = step(gradients, state, variables)
        sound &= good
    return variables, state, sound


@pytest.mark.parametrize("nesterov", [False, True])
def test_one_pass_is_the_step_of_optax(nesterov):
    optimizer = optim.momentum(learning_rate=falling, momentum=0.75, use_nesterov=nesterov)
    got, want = (after(take, optimizer, tree(0), tree(9)) for take in (in_one_pass, stepwise))
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["a", "b", "d"])
@pytest.mark.parametrize("take", [in_one_pass, stepwise])
def test_a_gradient_that_is_not_finite_is_told(take, name, bad):
    optimizer, gradients = optim.momentum(learning_rate=falling), tree(0)
    assert bool(after(take, optimizer, gradients, tree(9))[2])
    gradients[name] = gradients[name].at[(-1,) * gradients[name].ndim].set(bad)
    assert not bool(after(take, optimizer, gradients, tree(9))[2])


def test_a_step_that_overflows_is_told():
    optimizer = optim.momentum(learning_rate=lambda step: jnp.float32(1e30))
    gradients = {name: jnp.full(shape, 1e30) for name, shape in SIZES.items()}
    assert not bool(after(in_one_pass, optimizer, gradients, tree(9))[2])


def test_what_is_not_of_float32_and_what_is_mapped_go_another_way():
    optimizer = optim.momentum(learning_rate=falling)
    half = [jax.tree.map(lambda v: v.astype(jnp.bfloat16), tree(seed)) for seed in (0, 9)]
    variables, _, sound = after(in_one_pass, optimizer, *half)
    assert bool(sound) and all(v.dtype == jnp.bfloat16 for v in variables.values())
    rows = [jax.tree.map(lambda v: jnp.stack([v, 2 * v]), tree(seed)) for seed in (0, 9)]
    state = jax.vmap(optimizer.init)(rows[1])
    mapped, _, sound = jax.jit(jax.vmap(lambda *given: in_one_pass(optimizer, *given)))(rows[0], state, rows[1])
    alone, _, _ = in_one_pass(optimizer, tree(0), optimizer.init(tree(9)), tree(9))
    assert sound.tolist() == [True, True]
    for name, value in alone.items():
        np.testing.assert_allclose(mapped[name][0], value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("make", [optim.sgd, optim.adam, optim.rmsprop], ids=lambda make: make.__name__)
def test_other_optimizers_step_as_optax_does(make):
    optimizer = make(learning_rate=falling)
    got, want = (after(take, optimizer, tree(0), tree(9)) for take in (in_one_pass, stepwise))
    assert all(map(np.array_equal, jax.tree.leaves(got), jax.tree.leaves(want)))
