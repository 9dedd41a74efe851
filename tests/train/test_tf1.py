"""TF1's transformations as optax has them: chained, over trees, with a state that a checkpoint can hold."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from slimtrain.train import tf1

MADE = {
    "adagrad": tf1.scale_by_tf_adagrad(0.1),
    "adam": tf1.scale_by_tf_adam(0.9, 0.999, 1e-8),
    "adadelta": tf1.scale_by_tf_adadelta(0.95, 1e-8),
    "ftrl": tf1.ftrl_steps(lambda step: jnp.float32(0.1), -0.5, 0.1, 0.0, 0.0, 0.0),
}
TREE = {"w": jnp.ones((2, 3)), "b": jnp.zeros(3)}


@pytest.mark.parametrize("name", MADE)
def test_each_variable_moves_by_its_own_gradients_and_none_without(name):
    chain = optax.chain(MADE[name], optax.identity())
    state = chain.init(TREE)
    gradients = {"w": jnp.ones((2, 3)), "b": jnp.zeros(3)}
    steps, after = jax.jit(chain.update)(gradients, state, TREE)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert [v.dtype for v in jax.tree.leaves(after)] == [v.dtype for v in jax.tree.leaves(state)]
    np.testing.assert_array_equal(steps["b"], np.zeros(3))
    assert np.all(steps["w"] != 0) and np.all(steps["w"] == steps["w"][0, 0])


def test_the_first_steps_of_one_weight():
    one, gradient = {"w": jnp.ones(1)}, {"w": jnp.full(1, 0.5)}
    first = {n: float(t.update(gradient, t.init(one), one)[0]["w"][0]) for n, t in MADE.items()}
    squares = 0.05 * 0.25 + 1e-8
    pull = (np.sqrt(0.35) - np.sqrt(0.1)) / 0.1
    want = {
        "adagrad": 0.5 / np.sqrt(0.35),
        "adam": np.sqrt(0.001) / 0.1 * 0.05 / (np.sqrt(0.001) * 0.5 + 1e-8),
        "adadelta": np.sqrt(1e-8 / squares) * 0.5,
        "ftrl": -(0.5 - pull) / (np.sqrt(0.35) / 0.1) - 1,
    }
    assert first == pytest.approx(want, rel=1e-5)
