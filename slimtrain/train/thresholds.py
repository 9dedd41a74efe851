"""Metrics over a range of thresholds on probabilities, from TF-Slim's counts at each.

Left out of TF-Slim's: the lists of counts and rates at given thresholds and the points of the curve, which are no
metric of a run; `auc_using_histogram`, `streaming_dynamic_auc` and `auc_with_confidence_intervals`, which `auc` stands
for; `precision_recall_at_equal_thresholds`, a curve too; `streaming_concat`, which would keep the whole split.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from slimtrain.config.catalog import metric
from slimtrain.config.values import Fraction, Whole
from slimtrain.lazy import Array, jnp
from slimtrain.train.answers import Average, Numpy, averaged, columns, counts, probabilities, ratio, support
from slimtrain.train.losses import one_hot
from slimtrain.train.objective import Sum

Thresholds = Annotated[int, Field(ge=3, le=2**31 - 1)]
EPSILON = 1e-6


def thresholds(number: int) -> Numpy:
    """Evenly from 0 to 1, the ends moved out by 1e-7, so that a probability of 0 or 1 is on the right side of them."""
    inner = [(i + 1) / (number - 1) for i in range(number - 2)]
    return np.array([-1e-7, *inner, 1 + 1e-7], np.float32)


def _counts(logits: Array, labels: Array, number: int, from_logits: bool, multi_label: bool, only: int | None) -> Array:
    logits = columns(logits)
    said = probabilities(logits, from_logits, multi_label)[..., None] > jnp.asarray(thresholds(number))
    return counts(said, one_hot(labels, logits)[..., None] > 0.5, only)


def _swept(sums: Sum, average: Average, score: Callable[..., Any]) -> Numpy:
    """The average of a score over the classes that have examples."""
    return averaged(sums.total, score, lambda *counted: support(*counted) > 0, average)


def auc_of(sums: Sum, *, curve: str, average: Average) -> Numpy:
    """Area under a curve, by trapezia."""

    def area(tp: Numpy, fp: Numpy, fn: Numpy, tn: Numpy) -> Numpy:
        found = (tp + EPSILON) / (tp + fn + EPSILON)
        precise = (tp + EPSILON) / (tp + fp + EPSILON)
        x, y = (fp / (fp + tn + EPSILON), found) if curve == "ROC" else (found, precise)
        return np.sum((x[:-1] - x[1:]) * (y[:-1] + y[1:]) / 2)

    return _swept(sums, average, area)


@metric(result=auc_of)
def auc(
    logits: Array,
    labels: Array,
    *,
    curve: Literal["ROC", "PR"] = "ROC",
    num_thresholds: Thresholds = 200,
    average: Average = "macro",
    class_id: Whole | None = None,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """Area under the ROC curve, or that of precision over recall; each class against the rest.

    Each example of a batch takes 4 x classes x num_thresholds numbers of memory.

    Args:
        curve: `ROC`, or `PR` for precision over recall.
        num_thresholds: how many thresholds on the probability, evenly from 0 to 1.
        average: `macro` is the mean over the classes that have examples, `weighted` weighs them by these, `micro`
            takes all outputs as answers to one question, `none` gives a list. A single output, or a `class_id`, needs
            none.
        class_id: the only class that is looked at; all where omitted.
        from_logits: whether outputs become probabilities by a softmax (a sigmoid for single outputs); false where
            they are.
        multi_label: whether each output is a question of its own, with a label of 0 or 1.

    Source: TF-Slim metrics, streaming_auc, with its epsilons.
    """
    return _counts(logits, labels, num_thresholds, from_logits, multi_label, class_id)


def specificity_of(sums: Sum, *, sensitivity: float, average: Average) -> Numpy:
    """Specificity where sensitivity is nearest to the wanted one; the highest of such thresholds."""

    def score(tp: Numpy, fp: Numpy, fn: Numpy, tn: Numpy) -> Numpy:
        far = np.abs(ratio(tp, tp + fn) - sensitivity)
        at = len(far) - 1 - np.argmin(far[::-1])
        return ratio(tn, tn + fp)[at]

    return _swept(sums, average, score)


@metric(main="sensitivity", result=specificity_of, like=auc)
def specificity_at_sensitivity(
    logits: Array,
    labels: Array,
    *,
    sensitivity: Fraction,
    num_thresholds: Thresholds = 200,
    average: Average = "macro",
    class_id: Whole | None = None,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """tn / (tn + fp) at the threshold whose tp / (tp + fn) is nearest to a wanted one.

    Args:
        sensitivity: the wanted share of positives that are found.

    Source: TF-Slim metrics, streaming_specificity_at_sensitivity.
    """
    return _counts(logits, labels, num_thresholds, from_logits, multi_label, class_id)


def sensitivity_of(sums: Sum, *, specificity: float, average: Average) -> Numpy:
    """Sensitivity where specificity is nearest to the wanted one; the lowest of such thresholds."""

    def score(tp: Numpy, fp: Numpy, fn: Numpy, tn: Numpy) -> Numpy:
        at = np.argmin(np.abs(ratio(tn, tn + fp) - specificity))
        return ratio(tp, tp + fn)[at]

    return _swept(sums, average, score)


@metric(main="specificity", result=sensitivity_of, like=auc)
def sensitivity_at_specificity(
    logits: Array,
    labels: Array,
    *,
    specificity: Fraction,
    num_thresholds: Thresholds = 200,
    average: Average = "macro",
    class_id: Whole | None = None,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """tp / (tp + fn) at the threshold whose tn / (tn + fp) is nearest to a wanted one.

    Args:
        specificity: the wanted share of negatives that are left out.

    Source: TF-Slim metrics, streaming_sensitivity_at_specificity.
    """
    return _counts(logits, labels, num_thresholds, from_logits, multi_label, class_id)


def precision_at_recall_of(sums: Sum, *, target_recall: float, average: Average) -> Numpy:
    """Precision at the highest threshold that still has the wanted recall; 1 where it finds nothing there."""

    def score(tp: Numpy, fp: Numpy, fn: Numpy, tn: Numpy) -> Numpy:
        at = np.count_nonzero(ratio(tp, tp + fn) >= target_recall) - 1
        return np.where(tp + fp > 0, ratio(tp, tp + fp), 1.0)[at]

    return _swept(sums, average, score)


@metric(main="target_recall", result=precision_at_recall_of, like=auc)
def precision_at_recall(
    logits: Array,
    labels: Array,
    *,
    target_recall: Fraction,
    num_thresholds: Thresholds = 200,
    average: Average = "macro",
    class_id: Whole | None = None,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """tp / (tp + fp) at the highest threshold whose tp / (tp + fn) is at least a wanted one.

    Args:
        target_recall: the wanted share of positives that are found.

    Source: TF-Slim metrics, precision_at_recall.
    """
    return _counts(logits, labels, num_thresholds, from_logits, multi_label, class_id)


def recall_at_precision_of(sums: Sum, *, precision: float, strict_mode: bool, average: Average) -> Numpy:
    """Recall where precision is nearest to the wanted one, or where it is the least that is not below."""

    def score(tp: Numpy, fp: Numpy, fn: Numpy, tn: Numpy) -> Numpy:
        precise = ratio(tp, tp + fp)
        far = np.where(precise >= precision, precise, np.inf) if strict_mode else np.abs(precise - precision)
        at = np.argmin(far)
        return ratio(tp, tp + fn)[at] if np.isfinite(far[at]) else 0.0

    return _swept(sums, average, score)


@metric(main="precision", result=recall_at_precision_of, like=auc)
def recall_at_precision(
    logits: Array,
    labels: Array,
    *,
    precision: Fraction,
    strict_mode: bool = False,
    num_thresholds: Thresholds = 200,
    average: Average = "macro",
    class_id: Whole | None = None,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """tp / (tp + fn) at the threshold whose tp / (tp + fp) is nearest to a wanted one.

    Args:
        precision: the wanted share of right ones among those that are found.
        strict_mode: take the least precision that is not below the wanted one, and 0 where there is none.

    Source: TF-Slim metrics, recall_at_precision.
    """
    return _counts(logits, labels, num_thresholds, from_logits, multi_label, class_id)
