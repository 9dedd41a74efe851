"""A step that is taken or left at once against the step of optax, natively and in JAX's own operations."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import numbers

from slimtrain.net.native_calls import in_use
from slimtrain.train import optim
from slimtrain.train.taking import stepwise

SIZES = {"a": (3, 2), "b": (), "c": (0,), "d": (70, 1001)}


def tree(seed):
    return {name: jnp.asarray(numbers(*shape, seed=seed + place)) for place, (name, shape) in enumerate(SIZES.items())}


def falling(step):
    return 0.5 / (1.0 + step)


OPTIMIZERS = {
    "sgd": optim.sgd,
    "momentum": partial(optim.momentum, momentum=0.75),
    "nesterov": partial(optim.momentum, momentum=0.75, use_nesterov=True),
    "adam": partial(optim.adam, beta1=0.75, beta2=0.9, epsilon=0.01),
    "adamw": partial(optim.adamw, beta1=0.75, beta2=0.9, epsilon=0.01, weight_decay=0.1),
    "adagrad": partial(optim.adagrad, initial_accumulator_value=0.3),
    "rmsprop": partial(optim.rmsprop, decay=0.75, momentum=0.5, epsilon=0.01),
    "rmsprop without momentum": optim.rmsprop,
    "centered rmsprop": partial(optim.rmsprop, decay=0.75, momentum=0.5, epsilon=0.01, centered=True),
}
each = pytest.mark.parametrize("made", OPTIMIZERS.values(), ids=OPTIMIZERS)


def at_once(optimizer, allowed=True):
    return jax.jit(lambda *given: optimizer.step(jnp.bool_(allowed), *given))


def same(got, want):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_array_equal(one, other)


@each
def test_a_step_at_once_is_the_step_of_optax(made):
    optimizer = made(learning_rate=falling)
    one = other = (tree(9), optimizer.init(tree(9)))
    for seed in range(3):
        *one, taken = at_once(optimizer)(tree(seed), one[1], one[0])
        other = stepwise(optimizer, tree(seed), other[1], other[0])
        assert bool(taken)
    assert jax.tree.structure(tuple(one)) == jax.tree.structure(other)
    for got, want in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["a", "b", "d"])
@each
def test_a_gradient_that_is_not_finite_changes_nothing(made, name, bad):
    optimizer, gradients = made(learning_rate=falling), tree(0)
    variables, state, _ = at_once(optimizer)(tree(1), optimizer.init(tree(9)), tree(9))
    gradients[name] = gradients[name].at[(-1,) * gradients[name].ndim].set(bad)
    *after, taken = at_once(optimizer)(gradients, state, variables)
    assert not bool(taken)
    same(tuple(after), (variables, state))


@each
def test_a_step_that_is_not_allowed_changes_nothing(made):
    optimizer = made(learning_rate=falling)
    *after, taken = at_once(optimizer, allowed=False)(tree(0), optimizer.init(tree(9)), tree(9))
    assert not bool(taken)
    same(tuple(after), (tree(9), optimizer.init(tree(9))))


@pytest.mark.parametrize("rate, gradient", [(1e30, 1e30), (0.1, 3e38)], ids=["of a variable", "of a moment"])
def test_an_overflow_changes_nothing(rate, gradient):
    optimizer = optim.momentum(learning_rate=lambda step: jnp.float32(rate))
    gradients = {name: jnp.full(shape, gradient) for name, shape in SIZES.items()}
    trace, scale = optimizer.init(tree(9))
    state = (trace._replace(trace=jax.tree.map(jnp.copy, gradients)), scale)
    *after, taken = at_once(optimizer)(gradients, state, tree(9))
    assert not bool(taken)
    same(tuple(after), (tree(9), state))


def test_an_overflow_of_a_square_changes_nothing():
    optimizer = optim.adam(learning_rate=falling)
    gradients = {name: jnp.full(shape, 1e30) for name, shape in SIZES.items()}
    *after, taken = at_once(optimizer)(gradients, optimizer.init(tree(9)), tree(9))
    assert not bool(taken)
    same(tuple(after), (tree(9), optimizer.init(tree(9))))


@pytest.mark.skipif(not in_use(), reason="no native part here")
@each
def test_what_is_given_away_is_written_over(made):
    optimizer = made(learning_rate=falling)

    def step(variables, state, gradients):
        moved, state, _ = optimizer.step(jnp.bool_(True), gradients, state, variables)
        return moved, state

    jitted = jax.jit(step, donate_argnums=(0, 1))
    told = jitted.lower(tree(9), optimizer.init(tree(9)), tree(0)).compile().memory_analysis()
    size = 4 * 70 * 1001
    large = [leaf for leaf in jax.tree.leaves((tree(9), optimizer.init(tree(9)))) if leaf.size == 70 * 1001]
    assert told.alias_size_in_bytes >= len(large) * size and told.temp_size_in_bytes < size


@each
def test_what_is_not_of_float32_and_what_is_mapped_go_another_way(made):
    optimizer = made(learning_rate=falling)
    gradients, variables = (jax.tree.map(lambda v: v.astype(jnp.bfloat16), tree(seed)) for seed in (0, 9))
    moved, _, taken = at_once(optimizer)(gradients, optimizer.init(variables), variables)
    assert bool(taken) and all(v.dtype == jnp.bfloat16 for v in moved.values())
    rows = [jax.tree.map(lambda v: jnp.stack([v, 2 * v]), tree(seed)) for seed in (0, 9)]
    state = jax.vmap(optimizer.init)(rows[1])
    step = jax.jit(jax.vmap(lambda *given: optimizer.step(jnp.bool_(True), *given)))
    mapped, _, taken = step(rows[0], state, rows[1])
    alone, _, _ = at_once(optimizer)(tree(0), optimizer.init(tree(9)), tree(9))
    assert taken.tolist() == [True, True]
    for name, value in alone.items():
        np.testing.assert_allclose(mapped[name][0], value, rtol=1e-6, atol=1e-6)
