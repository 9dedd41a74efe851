"""Optimizers against TF1's arithmetic; multipliers and clipping."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from nets import numbers

from slimtrain.train import optim

START = numbers(3, 2, seed=9)
GRADIENTS = [numbers(3, 2, seed=s) for s in range(5)]


def rate(value):
    return lambda step: jnp.float32(value)


def moved(transformation, start=START, gradients=GRADIENTS):
    """The variables after each step."""
    parameters, found = {"w": jnp.asarray(start)}, []
    state = transformation.init(parameters)
    step = jax.jit(transformation.update)
    for gradient in gradients:
        change, state = step({"w": jnp.asarray(gradient)}, state, parameters)
        parameters = optax.apply_updates(parameters, change)
        found.append(np.asarray(parameters["w"]))
    return found


def agree(got, want):
    np.testing.assert_allclose(np.stack(got), np.stack(want), 2e-5, 1e-6)


def test_sgd():
    agree(moved(optim.sgd(learning_rate=rate(0.1))), START - 0.1 * np.cumsum(GRADIENTS, 0))


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov):
    want, w, a = [], START.astype(np.float64), 0.0
    for g in GRADIENTS:
        a = 0.9 * a + g
        w = w - 0.1 * (g + 0.9 * a if nesterov else a)
        want.append(w)
    agree(moved(optim.momentum(learning_rate=rate(0.1), momentum=0.9, use_nesterov=nesterov)), want)


def test_adam_adds_epsilon_to_the_uncorrected_root():
    want, w, m, v = [], START.astype(np.float64), 0.0, 0.0
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g.astype(np.float64) ** 2
        w = w - 0.1 * np.sqrt(1 - 0.99**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 0.5)
        want.append(w)
    agree(moved(optim.adam(learning_rate=rate(0.1), beta2=0.99, epsilon=0.5)), want)


def test_adagrad_has_no_epsilon():
    want, w, squares = [], START.astype(np.float64), 0.3
    for g in GRADIENTS:
        squares = squares + g.astype(np.float64) ** 2
        w = w - 0.1 * g / np.sqrt(squares)
        want.append(w)
    agree(moved(optim.adagrad(learning_rate=rate(0.1), initial_accumulator_value=0.3)), want)


def test_nadam_looks_one_step_ahead():
    want, w, m, v = [], START.astype(np.float64), 0.0, 0.0
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g.astype(np.float64) ** 2
        ahead = 0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t)
        w = w - 0.1 * ahead / (np.sqrt(v / (1 - 0.99**t)) + 0.5)
        want.append(w)
    agree(moved(optim.nadam(learning_rate=rate(0.1), beta2=0.99, epsilon=0.5)), want)


def test_adadelta_weighs_gradients_by_past_steps_whatever_the_rate():
    want, w, squares, steps = [], START.astype(np.float64), 0.0, 0.0
    for g in GRADIENTS:
        squares = 0.9 * squares + 0.1 * g.astype(np.float64) ** 2
        step = np.sqrt(steps + 0.01) / np.sqrt(squares + 0.01) * g
        steps = 0.9 * steps + 0.1 * step**2
        w = w - 0.5 * step
        want.append(w)
    agree(moved(optim.adadelta(learning_rate=rate(0.5), rho=0.9, epsilon=0.01)), want)


@pytest.mark.parametrize("power", [-0.5, -0.7, 0.0])
@pytest.mark.parametrize("l1", [0.0, 0.8])
def test_ftrl_assigns_the_leader(power, l1):
    want, w, squares, linear = [], START.astype(np.float64), 0.2, 0.0
    for g in GRADIENTS:
        summed = squares + g.astype(np.float64) ** 2
        linear = linear + g + 2 * 0.1 * w - (summed**-power - squares**-power) / 0.3 * w
        squares = summed
        leader = (l1 * np.sign(linear) - linear) / (squares**-power / 0.3 + 2 * 0.05)
        w = np.where(np.abs(linear) > l1, leader, 0.0)
        want.append(w)
    words = {"l1_regularization_strength": l1, "l2_regularization_strength": 0.05}
    words |= {"learning_rate_power": power, "initial_accumulator_value": 0.2}
    got = moved(optim.ftrl(learning_rate=rate(0.3), l2_shrinkage_regularization_strength=0.1, **words))
    agree(got, want)
    assert any(np.any(w == 0) for w in got) is (l1 > 0)


def test_ftrl_is_defined_where_it_would_divide_by_zero():
    zero = [np.zeros((3, 2), np.float32)]
    agree(moved(optim.ftrl(learning_rate=rate(0.1), initial_accumulator_value=0.0), gradients=zero), [0 * START])
    late = lambda step: jnp.where(step == 0, 0.0, 0.1)  # noqa: E731
    first, second = moved(optim.ftrl(learning_rate=late), gradients=GRADIENTS[:1] * 2)
    np.testing.assert_array_equal(first, START)
    agree([second], moved(optim.ftrl(learning_rate=rate(0.1)), gradients=GRADIENTS[:1]))


def test_rmsprop_has_tf1s_numbers():
    gradients = [np.full(1, 0.5, np.float32)] * 2
    transformation = optim.rmsprop(learning_rate=rate(0.01), decay=0.9, momentum=0.9, epsilon=1.0)
    got = moved(transformation, np.ones(1, np.float32), gradients)
    np.testing.assert_allclose(np.ravel(got), [0.996396, 0.989484], atol=1e-6)


@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_starts_its_mean_square_at_one(centered):
    want, w, ms, mg, a = [], START.astype(np.float64), 1.0, 0.0, 0.0
    for g in GRADIENTS:
        ms, mg = 0.9 * ms + 0.1 * g.astype(np.float64) ** 2, 0.9 * mg + 0.1 * g
        a = 0.5 * a + 0.1 * g / np.sqrt(ms - (mg**2 if centered else 0) + 0.01)
        w = w - a
        want.append(w)
    words = {"momentum": 0.5, "epsilon": 0.01, "centered": centered}
    agree(moved(optim.rmsprop(learning_rate=rate(0.1), **words)), want)


def test_rmsprops_rate_is_inside_its_momentum():
    rates = lambda step: jnp.where(step == 0, 1.0, 0.0)  # noqa: E731
    first, second = moved(optim.rmsprop(learning_rate=rates, momentum=0.5), gradients=GRADIENTS[:2])
    np.testing.assert_allclose(second - first, 0.5 * (first - START), 1e-4, 1e-6)


def test_adamw_decays_kernels_and_matrices_only():
    zero = [np.zeros((3, 2), np.float32)] * 2
    transformation = optim.adamw(learning_rate=rate(0.1), weight_decay=0.5)
    agree(moved(transformation, gradients=zero), [START * 0.95, START * 0.95**2])
    agree(moved(transformation, START[0], [zero[0][0]]), [START[0]])
    want = START - 0.1 * (np.sign(GRADIENTS[0]) + 0.5 * START)
    np.testing.assert_allclose(moved(transformation, gradients=GRADIENTS[:1])[0], want, 1e-4, 1e-5)


def test_a_schedule_counts_from_zero():
    rates = lambda step: 0.1 * (step + 1)  # noqa: E731
    want = START - np.cumsum([0.1 * (i + 1) * g for i, g in enumerate(GRADIENTS)], 0)
    agree(moved(optim.sgd(learning_rate=rates)), want)


G = {"a": jnp.asarray([3.0, 4.0]), "b": jnp.asarray([0.3, 0.4]), "c": jnp.zeros(2)}


@pytest.mark.parametrize(
    ("each", "together", "a", "b"),
    [
        (0.0, 0.0, 1.0, 1.0),
        (1.0, 0.0, 0.2, 1.0),
        (0.25, 0.0, 0.05, 0.5),
        (0.0, 1.0, 1 / np.sqrt(25.25), 1 / np.sqrt(25.25)),
        (0.0, 100.0, 1.0, 1.0),
        (1.0, 0.5, 0.2 * 0.5 / np.sqrt(1.25), 0.5 / np.sqrt(1.25)),
    ],
)
def test_clipping_by_own_norms_and_then_by_the_global_one(each, together, a, b):
    got = optim.clipped(G, each, together)
    for name, factor in {"a": a, "b": b, "c": 0.0}.items():
        np.testing.assert_allclose(got[name], factor * G[name], 1e-6)


def test_a_global_norm_that_overflows_is_no_step_of_zero():
    got = optim.clipped({"a": jnp.asarray([1e30, 1e30]), "b": jnp.ones(2)}, 0.0, 1.0)
    assert all(np.isnan(g).all() for g in got.values())


def test_multipliers_reach_only_their_variables():
    got = optim.multiplied(G, {"a": 0.5})
    np.testing.assert_allclose(got["a"], [1.5, 2])
    assert got["b"] is G["b"]
