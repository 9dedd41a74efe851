"""Learning-rate schedules against their closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers

from slimtrain.errors import ConfigError
from slimtrain.train import schedules

STEPS = np.arange(0, 31)


def rates(function, **arguments):
    return np.asarray(jax.jit(jax.vmap(lambda step: function(step, **arguments)))(jnp.asarray(STEPS, jnp.int32)))


def agree(got, want):
    np.testing.assert_allclose(got, [want(int(s)) for s in STEPS], 1e-5, 1e-8)


def test_constant():
    agree(rates(schedules.constant, value=0.3), lambda s: 0.3)


def test_exponential_decay():
    words = {"initial": 0.5, "decay_steps": 7, "decay_rate": 0.3}
    agree(rates(schedules.exponential_decay, **words), lambda s: 0.5 * 0.3 ** (s / 7))
    agree(rates(schedules.exponential_decay, **words, staircase=True), lambda s: 0.5 * 0.3 ** (s // 7))


@pytest.mark.parametrize("decay_steps", [3, 7, 49, 390, 12345])
def test_a_staircase_falls_exactly_at_its_steps(decay_steps):
    edges = np.array([k * decay_steps + d for k in range(1, 9) for d in (-1, 0)], np.int32)
    words = {"initial": 1.0, "decay_steps": decay_steps, "decay_rate": 0.5, "staircase": True}
    got = jax.jit(lambda step: schedules.exponential_decay(step, **words))(edges)
    np.testing.assert_array_equal(got, 0.5 ** (edges // decay_steps))


def test_natural_exp_decay():
    words = {"initial": 0.5, "decay_steps": 7, "decay_rate": 0.3}
    agree(rates(schedules.natural_exp_decay, **words), lambda s: 0.5 * np.exp(-0.3 * s / 7))
    agree(rates(schedules.natural_exp_decay, **words, staircase=True), lambda s: 0.5 * np.exp(-0.3 * (s // 7)))


def test_inverse_time_decay():
    words = {"initial": 0.5, "decay_steps": 7, "decay_rate": 0.3}
    agree(rates(schedules.inverse_time_decay, **words), lambda s: 0.5 / (1 + 0.3 * s / 7))
    agree(rates(schedules.inverse_time_decay, **words, staircase=True), lambda s: 0.5 / (1 + 0.3 * (s // 7)))


@pytest.mark.parametrize("power", [1.0, 2.0, 0.5])
def test_polynomial_decay(power):
    words = {"initial": 0.5, "decay_steps": 10, "end_learning_rate": 0.1, "power": power}
    agree(
        rates(schedules.polynomial_decay, **words),
        lambda s: 0.4 * (1 - min(s, 10) / 10) ** power + 0.1,
    )
    agree(
        rates(schedules.polynomial_decay, **words, cycle=True),
        lambda s: 0.4 * (1 - s / (10 * max(1, -(-s // 10)))) ** power + 0.1,
    )


def test_piecewise_constant_keeps_a_value_up_to_and_with_its_boundary():
    got = rates(schedules.piecewise_constant, boundaries=(3, 10), values=(1.0, 0.5, 0.1))
    agree(got, lambda s: 1.0 if s <= 3 else 0.5 if s <= 10 else 0.1)
    agree(rates(schedules.piecewise_constant, boundaries=(), values=(0.2,)), lambda s: 0.2)


@pytest.mark.parametrize(("boundaries", "values"), [("[3]", "[1]"), ("[5, 3]", "[1, 2, 3]"), ("[3, 3]", "[1, 2, 3]")])
def test_boundaries_that_do_not_fit_are_told_before_anything_runs(boundaries, values):
    schedule = f"piecewise_constant: {{boundaries: {boundaries}, values: {values}}}"
    with pytest.raises(ConfigError, match="give rising boundaries and one value more than boundaries") as caught:
        layers("[flatten]", (3,), f"optimizer: {{sgd: {{learning_rate: {{{schedule}}}}}}}")
    assert caught.value.problems[0].mark.line == 2


def test_cosine_decay():
    got = rates(schedules.cosine_decay, initial=0.5, decay_steps=20, alpha=0.1)
    agree(got, lambda s: 0.5 * (0.9 * 0.5 * (1 + np.cos(np.pi * min(s, 20) / 20)) + 0.1))


@pytest.mark.parametrize(("first", "growth"), [(7, 1.0), (4, 2.0), (1, 3.0), (10, 1.5), (8, 1.25)])
def test_cosine_decay_restarts(first, growth):
    def want(step):
        start, length, restarts = 0.0, float(first), 0
        while step >= start + length:
            start, length, restarts = start + length, length * growth, restarts + 1
        share = 0.9 * 0.8**restarts * 0.5 * (1 + np.cos(np.pi * (step - start) / length)) + 0.1
        return 0.5 * share

    words = {"initial": 0.5, "first_decay_steps": first, "t_mul": growth, "m_mul": 0.8, "alpha": 0.1}
    agree(rates(schedules.cosine_decay_restarts, **words), want)


@pytest.mark.parametrize("first", [2, 3, 7, 390, 1000])
@pytest.mark.parametrize("growth", [1.0, 2.0, 3.0])
def test_a_restart_is_exactly_at_its_step(first, growth):
    lengths = first * growth ** np.arange(8)
    starts = np.cumsum(lengths).astype(np.int32)
    words = {"initial": 1.0, "first_decay_steps": first, "t_mul": growth}
    got = jax.jit(lambda step: schedules.cosine_decay_restarts(step, **words))
    np.testing.assert_allclose(got(starts), 1.0, 1e-6)
    np.testing.assert_array_less(got(starts[2:] - 1), 1.0)


def test_warmup_scales_another_schedule():
    then = lambda step: schedules.exponential_decay(step, initial=0.5, decay_steps=7, decay_rate=0.3)  # noqa: E731
    got = rates(schedules.warmup, steps=10, then=then, start=0.2)
    agree(got, lambda s: min(1.0, 0.2 + 0.8 * s / 10) * 0.5 * 0.3 ** (s / 7))


def test_warmup_of_a_config_with_a_plain_number():
    more = "optimizer: {sgd: {learning_rate: {warmup: {steps: 4, then: 0.8}}}}"
    rate = layers("[flatten]", (3,), more).task.learning_rate
    assert [round(float(rate(jnp.int32(s))), 6) for s in (0, 1, 4, 9)] == [0, 0.2, 0.8, 0.8]
