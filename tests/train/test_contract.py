"""One contract for all losses, metrics, optimizers and schedules; a new one is a row here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import numbers

from slimtrain.jobs.builtin import catalog

LABELS = jnp.asarray([0, 2, 1, 2])
LOSSES = {
    "softmax_cross_entropy": {"label_smoothing": 0.1},
    "sparse_softmax_cross_entropy": {},
    "mean_squared_error": {},
    "absolute_difference": {},
    "sigmoid_cross_entropy": {"label_smoothing": 0.1},
    "log_loss": {},
    "hinge_loss": {},
    "cosine_distance": {"axis": 1},
    "huber_loss": {"delta": 0.5},
}
METRICS = {"accuracy": {}, "top_k": {"k": 2}}
RATE = {"learning_rate": lambda step: jnp.float32(0.1)}
OPTIMIZERS = {
    "sgd": {},
    "momentum": {"use_nesterov": True},
    "adam": {},
    "adamw": {},
    "rmsprop": {"momentum": 0.9, "centered": True},
    "nadam": {},
    "adagrad": {},
    "adadelta": {},
    "ftrl": {"l1_regularization_strength": 0.01},
    "lamb": {"weight_decay": 0.01},
    "lion": {},
}
SCHEDULES = {
    "constant": {"value": 0.1},
    "exponential_decay": {"initial": 0.1, "decay_steps": 5, "decay_rate": 0.5},
    "polynomial_decay": {"initial": 0.1, "decay_steps": 5, "cycle": True},
    "piecewise_constant": {"boundaries": (3, 5), "values": (0.1, 0.2, 0.3)},
    "natural_exp_decay": {"initial": 0.1, "decay_steps": 5, "decay_rate": 0.5},
    "inverse_time_decay": {"initial": 0.1, "decay_steps": 5, "decay_rate": 0.5},
    "cosine_decay": {"initial": 0.1, "decay_steps": 5},
    "cosine_decay_restarts": {"initial": 0.1, "first_decay_steps": 5},
    "warmup": {"steps": 5, "then": RATE["learning_rate"]},
}
ROWS = {"loss": LOSSES, "metric": METRICS, "optimizer": OPTIMIZERS, "schedule": SCHEDULES}


def function(kind, name):
    return catalog().kind(kind)[name].function


@pytest.mark.parametrize("kind", ROWS)
def test_everything_registered_has_a_row_and_a_meaning(kind):
    assert set(catalog().kind(kind)) == set(ROWS[kind])
    for definition in catalog().kind(kind).values():
        assert definition.summary
        assert all(p.doc for p in definition.parameters.values())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 50.0])
def test_losses_are_not_reduced_and_have_finite_gradients(name, scale):
    logits = scale * numbers(4, 3)
    if name == "log_loss":  # of probabilities
        logits = np.clip(0.5 + 0.25 * logits / max(scale, 1.0), 0.01, 0.99)

    def total(logits):
        values = function("loss", name)(logits, LABELS, **LOSSES[name])
        return jnp.sum(values), values

    (_, values), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(logits)
    assert values.shape in ((4,), (4, 3), (4, 1))
    assert np.all(np.isfinite(values)) and np.all(np.isfinite(gradient))


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_one_value_an_example(name):
    values = jax.jit(lambda x: function("metric", name)(x, LABELS, **METRICS[name]))(numbers(4, 3))
    assert values.shape == (4,) and np.all(np.isfinite(values))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_lessen_a_quadratic_loss_in_a_compiled_step(name):
    transformation = function("optimizer", name)(**RATE, **OPTIMIZERS[name])
    parameters = {"w": jnp.full((3, 2), 2.0, jnp.float32), "b": jnp.full((2,), -2.0, jnp.float32)}

    @jax.jit
    def step(parameters, state):
        change, state = transformation.update(parameters, state, parameters)  # the gradient of sum(x^2) / 2
        return {n: v + change[n] for n, v in parameters.items()}, state

    state = transformation.init(parameters)
    for _ in range(5):
        parameters, state = step(parameters, state)
    assert step._cache_size() == 1
    assert all(np.all(np.abs(v) < 2) for v in parameters.values())
    assert all(np.all(np.isfinite(v)) for v in jax.tree.leaves((parameters, state)))


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_finite_scalars_in_a_compiled_step(name):
    rate = jax.jit(lambda step: function("schedule", name)(step, **SCHEDULES[name]))
    for step in (0, 1, 5, 6, 10**6):
        value = rate(jnp.int32(step))
        assert value.shape == () and value.dtype == jnp.float32
        assert np.isfinite(value) and value >= 0
    assert rate._cache_size() == 1
