"""Metrics of classifiers, by their definitions in numpy."""

import jax.numpy as jnp
import numpy as np
import pytest
from nets import measured, numbers

from slimtrain.errors import ConfigError
from slimtrain.train.classification import accuracy, top_k

LOGITS = numbers(41, 4)
LABELS = np.random.default_rng(1).integers(0, 3, 41)  # class 3 is only ever answered
SAID = LOGITS.argmax(1)
MATRIX = np.zeros((4, 4))
np.add.at(MATRIX, (LABELS, SAID), 1)
HITS, ASKED, TOLD = np.diag(MATRIX), MATRIX.sum(1), MATRIX.sum(0)
PRECISION = HITS / TOLD
RECALL = HITS / np.maximum(ASKED, 1)
F1 = 2 * HITS / (ASKED + TOLD)


def value(metric, outputs=LOGITS, labels=LABELS, size=0, **fields):
    (found,) = measured(f"[{metric}]", outputs, size, label=labels, **fields).values()
    return found


def test_accuracy():
    hot = jnp.eye(3)[jnp.asarray([0, 2, 1, 2])]
    assert list(accuracy(hot, jnp.asarray([0, 2, 1, 2]))) == [1, 1, 1, 1]
    assert list(accuracy(hot, jnp.asarray([0, 0, 1, 1]))) == [1, 0, 1, 0]
    single = jnp.asarray([[2.0], [-1.0], [0.0]])
    for outputs in (single, single[:, 0]):
        assert list(accuracy(outputs, jnp.asarray([1, 1, 0])).ravel()) == [1, 0, 1]
    sure = jnp.asarray([[0.9], [0.4], [0.6]])
    assert list(accuracy(sure, jnp.asarray([1, 0, 0]), from_logits=False).ravel()) == [1, 1, 0]
    assert value("accuracy: {multi_label: true}", [[2.0, -1.0], [1.0, 1.0]], [[1, 0], [1, 0]]) == 0.75


def test_top_k_counts_ties_as_in_and_numbers_that_are_not_finite_as_out():
    logits = jnp.asarray([[3.0, 2.0, 2.0, 1.0]] * 4)
    assert list(top_k(logits, jnp.asarray([0, 1, 2, 3]), k=2)) == [1, 1, 1, 0]
    assert list(top_k(logits, jnp.asarray([0, 1, 2, 3]), k=1)) == [1, 0, 0, 0]
    assert list(top_k(logits, jnp.asarray([0, 1, 2, 3]), k=9)) == [1, 1, 1, 1]
    assert list(top_k(jnp.asarray([[jnp.nan, 1.0], [1.0, jnp.inf]]), jnp.asarray([0, 1]), k=1)) == [0, 0]


@pytest.mark.parametrize("name, each", [("precision", PRECISION), ("recall", RECALL), ("f1", F1)])
def test_averages_over_the_classes_that_occur(name, each):
    assert value(f"{name}: {{average: none}}", size=8) == list(each)
    assert value(name) == pytest.approx(each.mean(), rel=1e-12)
    assert value(f"{name}: {{average: weighted}}") == pytest.approx((each * ASKED).sum() / 41, rel=1e-12)
    assert value(f"{name}: {{average: micro}}") == HITS.sum() / 41
    assert value(f"{name}: {{class_id: 2}}") == each[2]
    wider = np.concatenate([LOGITS, np.full((41, 2), -9, np.float32)], 1)
    assert value(name, wider) == pytest.approx(each.mean(), rel=1e-12)


def test_rates_of_errors():
    others = 41 - ASKED
    assert value("false_positive_rate: {average: none}") == list((TOLD - HITS) / others)
    assert value("false_negative_rate: {class_id: 1}") == (ASKED[1] - HITS[1]) / ASKED[1]
    assert value("false_negative_rate: {class_id: 3}") == 0


@pytest.mark.parametrize("labels", [LABELS[:, None], np.eye(4, dtype=np.float32)[LABELS]])
def test_labels_in_other_forms(labels):
    assert value("confusion_matrix", labels=labels) == MATRIX.tolist()
    assert value("precision: {average: none}", labels=labels) == list(PRECISION)


def test_a_single_output_is_decided_by_a_threshold_on_its_probability():
    outputs, labels = [[0.2], [0.6], [0.7], [0.9]], [0, 0, 1, 1]
    assert value("precision: {from_logits: false}", outputs, labels) == 2 / 3
    assert value("precision: {from_logits: false, threshold: 0.65}", outputs, labels) == 1
    assert value("recall: {threshold: 0.7}", np.log(np.divide(outputs, 1 - np.array(outputs))), labels) == 0.5
    assert value("confusion_matrix: {from_logits: false}", outputs, labels) == [[1, 1], [0, 2]]
    assert value("precision: {from_logits: false, threshold: 1}", outputs, labels) == 0


def test_several_labels_are_decided_each_by_itself():
    logits, labels = numbers(20, 3, seed=4), np.random.default_rng(2).integers(0, 2, (20, 3))
    said = logits > 0
    hits = (said & (labels == 1)).sum(0)
    each = hits / said.sum(0)
    assert value("precision: {multi_label: true, average: none}", logits, labels, 6) == list(each)
    assert value("precision: {multi_label: true, average: micro}", logits, labels) == hits.sum() / said.sum()
    assert value("accuracy: {multi_label: true}", logits, labels) == pytest.approx((said == labels).mean(), rel=1e-12)


def test_every_pixel_is_an_answer():
    logits, labels = numbers(5, 2, 3, 4), np.random.default_rng(3).integers(0, 4, (5, 2, 3))
    matrix = np.zeros((4, 4))
    np.add.at(matrix, (labels, logits.argmax(-1)), 1)
    assert value("confusion_matrix", logits, labels, 2) == matrix.tolist()
    assert value("accuracy", logits, labels, 2) == np.trace(matrix) / matrix.sum()
    union = matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
    assert value("mean_iou", logits, labels, 2) == pytest.approx((np.diag(matrix) / union).mean(), rel=1e-12)


def test_weights_weigh_examples_and_what_weighs_nothing_may_be_nan():
    logits = LOGITS.copy()
    logits[7] = np.nan
    weights = np.random.default_rng(5).uniform(0.1, 2, 41).astype(np.float32)
    weights[7] = 0
    right = weights[LABELS == SAID].astype(np.float64).sum()
    found = value("accuracy: {weights: w}", logits, size=10, w=weights)
    assert found == pytest.approx(right / weights.astype(np.float64).sum(), rel=1e-12)
    other = measured("[mean_squared_error: {weights: w}]", logits, 10, label=np.eye(4)[LABELS], w=weights)
    assert np.isfinite(other["mean_squared_error"])


def test_names_tell_classes_apart():
    assert list(measured("[recall: {class_id: 2}, recall: {class_id: 0}, recall, recall]", LOGITS, label=LABELS)) == [
        "recall_class_2",
        "recall_class_0",
        "recall",
        "recall_1",
    ]


def test_a_class_that_there_is_not():
    with pytest.raises(
        ConfigError, match="metrics: there is no class 4; the outputs are 4; classes are numbered from 0"
    ):
        value("precision: {class_id: 4}")


def test_agreement_by_chance():
    assert value("cohen_kappa", np.eye(3)[[0, 1, 2]], [0, 1, 2]) == 1
    assert value("cohen_kappa", np.eye(3)[[0, 0, 0]], [0, 0, 0]) == 0
    assert value("mean_iou", np.eye(3)[[0, 0, 1]], [0, 0, 0]) == pytest.approx((2 / 3 + 0) / 2)
