"""Metrics and metric-learning losses against what real TF-Slim computed; make_reference.py says how."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import measured

from slimtrain.jobs.builtin import catalog

HELD = dict(np.load(Path(__file__).with_name("reference.npz")))
DATA = {n.removeprefix("data/"): v for n, v in HELD.items() if n.startswith("data/")}
SCORES = "labels: yes, from_logits: false,"
CLASSES = "labels: class,"
NUMBERS = "labels: target,"
METRICS = {
    "accuracy": ("accuracy", "logits", CLASSES),
    "top_2": ("top_k", "logits", f"{CLASSES} k: 2,"),
    **{n: (n, "score", f"{SCORES} threshold: 0.4,") for n in ("precision", "recall")},
    **{n: (n, "score", f"{SCORES} threshold: 0.4,") for n in ("false_positive_rate", "false_negative_rate")},
    **{n: (n, "logits", CLASSES) for n in ("mean_iou", "cohen_kappa")},
    "auc_ROC": ("auc", "score", SCORES),
    "auc_PR": ("auc", "score", f"{SCORES} curve: PR,"),
    "auc_ROC_11": ("auc", "score", f"{SCORES} num_thresholds: 11,"),
    **{n: (n, "prediction", NUMBERS) for n in ("mean_squared_error", "root_mean_squared_error")},
    **{n: (n, "prediction", NUMBERS) for n in ("mean_absolute_error", "mean_relative_error")},
    **{n: (n, "prediction", NUMBERS) for n in ("covariance", "pearson_correlation")},
    "mean_cosine_distance": ("mean_cosine_distance", "unit", "labels: unit_target, dim: 1,"),
    "percentage_less": ("percentage_less", "prediction", "threshold: 1.5,"),
    "mean": ("mean", "prediction", ""),
}
for level in (0.3, 0.8, 0.97):
    METRICS |= {
        f"specificity_at_sensitivity_{level}": (
            "specificity_at_sensitivity",
            "score",
            f"{SCORES} sensitivity: {level},",
        ),
        f"sensitivity_at_specificity_{level}": (
            "sensitivity_at_specificity",
            "score",
            f"{SCORES} specificity: {level},",
        ),
        f"precision_at_recall_{level}": ("precision_at_recall", "score", f"{SCORES} target_recall: {level},"),
        f"recall_at_precision_{level}": ("recall_at_precision", "score", f"{SCORES} precision: {level},"),
        f"recall_at_precision_{level}_strict": (
            "recall_at_precision",
            "score",
            f"{SCORES} precision: {level}, strict_mode: true,",
        ),
    }


def test_every_metric_of_the_reference_is_compared():
    assert {n.removeprefix("metric/") for n in HELD if n.startswith("metric/")} == set(METRICS)


@cache
def everything():
    """All metrics of the reference at once, in padded batches of 9."""
    fields = {n: v for n, v in DATA.items() if len(v) == len(DATA["score"])}
    found = {}
    for outputs in ("score", "logits", "prediction", "unit"):
        rows = {c: (n, words) for c, (n, read, words) in METRICS.items() if read == outputs}
        text = ", ".join(f"{n}: {{{words} weights: weights}}" for n, words in rows.values())
        found |= dict(zip(rows, measured(f"[{text}]", DATA[outputs], 9, **fields).values(), strict=True))
    return found


@pytest.mark.parametrize("case", METRICS)
def test_metric_is_tf_slims(case):
    assert everything()[case] == pytest.approx(float(HELD[f"metric/{case}"]), rel=2e-6, abs=1e-7)


LOSSES = {
    "contrastive_loss": ("alike", {"margin": 4.0}),
    "triplet_semihard_loss": ("kind", {"margin": 0.7}),
    "lifted_struct_loss": ("kind", {"margin": 1.5}),
    "npairs_loss": ("kind", {"reg_lambda": 0.1}),
    "npairs_loss_multilabel": ("held", {}),
    "mean_pairwise_squared_error": ("positive", {}),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_its_gradients_are_tf_slims(name):
    labels, own = LOSSES[name]
    definition = catalog().kind("loss")[name]

    def total(anchor, positive):
        hands = {"labels": DATA[labels], "mask": jnp.ones(12), "embeddings_positive": positive}
        hands["labels"] = positive if labels == "positive" else hands["labels"]
        values = definition.function(*(hands.get(n, anchor) for n in definition.given), **own)
        if name == "mean_pairwise_squared_error":
            return jnp.sum(values * DATA["factors"])
        return jnp.mean(values)

    value, gradients = jax.jit(jax.value_and_grad(total, (0, 1)))(DATA["anchor"], DATA["positive"])
    assert float(value) == pytest.approx(float(HELD[f"loss/{name}"]), rel=1e-5)
    for side, gradient in zip(("anchor", "positive"), gradients, strict=True):
        wanted = HELD.get(f"gradient/{name}/{side}", np.zeros_like(gradient))
        np.testing.assert_allclose(gradient, wanted, 1e-4, 1e-5)
