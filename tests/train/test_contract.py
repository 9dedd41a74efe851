"""One contract for all losses, metrics, optimizers and schedules; a new one is a row here."""

import json
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import measured, numbers

from slimtrain.config.reference import listing, reference_json
from slimtrain.config.schema import json_schema
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
    "mean_pairwise_squared_error": {},
    "contrastive_loss": {"margin": 0.5},
    "triplet_semihard_loss": {"margin": 0.5},
    "lifted_struct_loss": {"margin": 0.5},
    "npairs_loss": {"reg_lambda": 0.1},
    "npairs_loss_multilabel": {"reg_lambda": 0.1},
}
METRICS = {
    "accuracy": {},
    "top_k": {"k": 2},
    "precision": {"average": "micro"},
    "recall": {"average": "none"},
    "f1": {"class_id": 1},
    "false_positive_rate": {"average": "weighted"},
    "false_negative_rate": {},
    "confusion_matrix": {},
    "mean_iou": {},
    "cohen_kappa": {},
    "auc": {"curve": "PR", "num_thresholds": 5},
    "specificity_at_sensitivity": {"sensitivity": 0.5},
    "sensitivity_at_specificity": {"specificity": 0.5},
    "precision_at_recall": {"target_recall": 0.5},
    "recall_at_precision": {"precision": 0.5, "strict_mode": True},
    "mean_squared_error": {},
    "root_mean_squared_error": {},
    "mean_absolute_error": {},
    "mean_relative_error": {},
    "mean_cosine_distance": {"dim": 1},
    "percentage_less": {"threshold": 0.0},
    "mean": {},
    "covariance": {},
    "pearson_correlation": {},
}
LISTS = {"recall": (3,), "confusion_matrix": (3, 3)}
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
def test_losses_are_not_reduced_unless_of_pairs_and_have_finite_gradients(name, scale):
    logits = scale * numbers(4, 3)
    if name == "log_loss":  # of probabilities
        logits = np.clip(0.5 + 0.25 * logits / max(scale, 1.0), 0.01, 0.99)

    hands = {"labels": LABELS, "mask": jnp.ones(4)}
    given = catalog().kind("loss")[name].given

    def total(logits):
        values = function("loss", name)(*(hands.get(n, logits) for n in given), **LOSSES[name])
        return jnp.sum(values), values

    (_, values), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(logits)
    assert values.shape in (((),) if "mask" in given else ((4,), (4, 3), (4, 1)))
    assert np.all(np.isfinite(values)) and np.all(np.isfinite(gradient))


@pytest.mark.parametrize("kind, word", [("loss", "weight"), ("metric", "weights")])
def test_losses_and_metrics_are_in_the_schema_and_the_reference_with_their_words(kind, word):
    defs = json_schema(catalog())["$defs"]
    for name, definition in catalog().kind(kind).items():
        words = {*definition.parameters, *(n for n in definition.given if n != "mask"), word}
        forms = defs[f"{kind}.{name}"]
        assert words <= set(forms.get("properties") or forms["anyOf"][0]["properties"]), name
        assert words <= {argument["name"] for argument in reference_json(definition)["arguments"]}, name
        assert f"  {name} " in listing(catalog())


@cache
def everything(outputs, size=0):
    """All metrics at once: what they are of 7 examples with so many outputs, in batches of `size`."""
    logits = np.abs(numbers(7, outputs)) - (0.5 if outputs > 1 else 1.0)
    labels = np.array([0, 2, 1, 2, 0, 1, 1]) if outputs > 1 else np.array([0, 1, 1, 0, 0, 1, 1])
    rows = {n: {w: v for w, v in row.items() if outputs > 1 or w != "class_id"} for n, row in METRICS.items()}
    found = measured(json.dumps([{n: row} for n, row in rows.items()]), logits.astype(jnp.bfloat16), size, label=labels)
    return dict(zip(METRICS, found.values(), strict=True))


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_numbers_that_the_size_of_the_batches_does_not_change(name):
    value = everything(3)[name]
    assert np.shape(value) == LISTS.get(name, ()) and np.all(np.isfinite(value))
    for size in (1, 3):
        np.testing.assert_allclose(everything(3, size)[name], value, 1e-12, 1e-15)


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_computed_of_a_single_output(name):
    value = everything(1)[name]
    assert np.shape(value) == {"confusion_matrix": (2, 2)}.get(name, ()) and np.all(np.isfinite(value))


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
