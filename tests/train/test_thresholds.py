"""Metrics over thresholds; test_slim_reference.py holds them to TF-Slim's numbers."""

import numpy as np
import pytest
from nets import measured, numbers

from slimtrain.train.thresholds import thresholds

LOGITS = numbers(300, 3)
LABELS = np.where(np.random.default_rng(0).uniform(size=300) < 0.6, LOGITS.argmax(1), np.arange(300) % 3)


def value(metric, outputs=LOGITS, labels=LABELS, size=0):
    (found,) = measured(f"[{metric}]", outputs, size, label=labels).values()
    return found


def area(scores, yes):
    """The area under the ROC curve: how often a positive's score is above a negative's."""
    above = np.sign(scores[yes][:, None].astype(np.float64) - scores[~yes][None, :])
    return (above.mean() + 1) / 2


def probabilities(logits):
    found = np.exp(logits.astype(np.float64))
    return found / found.sum(-1, keepdims=True)


def test_thresholds_reach_beyond_0_and_1():
    assert thresholds(5).tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=2e-7)
    assert thresholds(5)[0] < 0 and thresholds(5)[-1] > 1


def test_auc_of_each_class_against_the_rest():
    each = [area(probabilities(LOGITS)[:, c], LABELS == c) for c in range(3)]
    found = value("auc: {average: none, num_thresholds: 2000}", size=70)
    np.testing.assert_allclose(found, each, atol=2e-3)
    assert value("auc: {num_thresholds: 2000}") == pytest.approx(np.mean(found), rel=1e-9)
    assert value("auc: {class_id: 1, num_thresholds: 2000}") == found[1]
    pooled = area(probabilities(LOGITS).ravel(), (np.eye(3)[LABELS] == 1).ravel())
    assert value("auc: {average: micro, num_thresholds: 2000}") == pytest.approx(pooled, abs=2e-3)


def test_auc_of_two_classes_is_that_of_a_single_output():
    single, yes = numbers(200, 1, seed=3), np.arange(200) % 2
    single += yes[:, None]
    both = np.concatenate([np.zeros_like(single), single], 1)
    assert value("auc", both, yes) == pytest.approx(value("auc", single, yes), abs=1e-6)
    assert value("auc", single[:, 0], yes) == value("auc", single, yes)


def test_a_perfect_and_a_hopeless_order():
    yes = np.arange(50) % 2
    assert value("auc", 6.0 * yes[:, None] - 3, yes) == pytest.approx(1, abs=1e-6)
    assert value("auc", 3 - 6.0 * yes[:, None], yes) == pytest.approx(0, abs=1e-6)
    assert value("auc: {curve: PR}", 6.0 * yes[:, None] - 3, yes) == pytest.approx(1, abs=1e-6)


def test_several_labels_each_by_itself():
    labels = (numbers(300, 3, seed=1) + LOGITS > 0).astype(np.int32)
    each = [area(LOGITS[:, c], labels[:, c] == 1) for c in range(3)]
    found = value("auc: {multi_label: true, average: none, num_thresholds: 2000}", labels=labels)
    np.testing.assert_allclose(found, each, atol=2e-3)


def test_levels_that_cannot_be_had():
    outputs, yes = np.array([[0.9], [0.2], [0.3], [0.8]]), np.array([0, 1, 1, 0])
    assert value("recall_at_precision: {precision: 0.9, strict_mode: true, from_logits: false}", outputs, yes) == 0
    assert value("precision_at_recall: {target_recall: 1, from_logits: false}", outputs, yes) == 0.5
    nothing = np.zeros(4, int)
    assert value("precision_at_recall: {target_recall: 0.5, from_logits: false}", outputs, nothing) == 1
    assert value("sensitivity_at_specificity: {specificity: 0.5, from_logits: false}", outputs, nothing) == 0
