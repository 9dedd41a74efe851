"""Metrics of classifiers.

Left out of TF-Slim's: the `sparse_*_at_k` family, which wants lists of labels of uneven length; `f1_score`, the best
over thresholds (`f1` is at one); the bare counts, which `confusion_matrix` has.
"""

from collections.abc import Callable

import numpy as np

from slimtrain.config.catalog import metric
from slimtrain.config.values import Count, Fraction, Whole
from slimtrain.lazy import Array, jnp
from slimtrain.train.answers import Average, Numpy, alone, answers, averaged, columns, counts, for_each_class, ratio
from slimtrain.train.losses import indices
from slimtrain.train.objective import Sum


@metric()
def accuracy(
    logits: Array, labels: Array, *, threshold: Fraction = 0.5, from_logits: bool = True, multi_label: bool = False
) -> Array:
    """The share of right answers: of rows whose largest output is the label's, or of single outputs.

    Args:
        threshold: probability above which a single output says yes.
        from_logits: whether outputs become probabilities by a sigmoid (a softmax for classes); false where they are.
        multi_label: whether each output is a question of its own, with a label of 0 or 1.

    Source: TF-Slim metrics, streaming_accuracy.
    """
    said, right = answers(columns(logits), labels, threshold, from_logits, multi_label)
    return said == right


@metric(main="k")
def top_k(logits: Array, labels: Array, *, k: Count = 5) -> Array:
    """1 where the label is among the k largest outputs, one value a row.

    As in tf.nn.in_top_k, ties count as in, and a row with a number that is not finite as out.

    Args:
        k: how many; no more than there are classes are looked at.

    Source: TF-Slim metrics, streaming_recall_at_k.
    """
    chosen = jnp.take_along_axis(logits, indices(labels, logits)[..., None], -1)
    finite = jnp.all(jnp.isfinite(logits), -1)
    return finite & (jnp.sum(logits > chosen, -1) < k)


def _counts(
    logits: Array, labels: Array, threshold: float, from_logits: bool, multi_label: bool, only: int | None
) -> Array:
    logits = columns(logits)
    said, right = answers(logits, labels, threshold, from_logits, multi_label)
    if not alone(logits, multi_label):
        said, right = (for_each_class(classes, logits.shape[-1]) for classes in (said, right))
    return counts(said[..., None] != 0, right[..., None] != 0, only)


def _of(part: Callable[..., Numpy], whole: Callable[..., Numpy]) -> Callable[..., Numpy]:
    """A result: a share of the counts, averaged over the classes that occur in labels or answers."""

    def score(*counted: Numpy) -> Numpy:
        return ratio(part(*counted), whole(*counted))[0]

    def result(sums: Sum, *, average: Average) -> Numpy:
        return averaged(sums.total, score, lambda tp, fp, fn, tn: (tp + fp + fn)[0] > 0, average)

    return result


precision_of = _of(lambda tp, fp, fn, tn: tp, lambda tp, fp, fn, tn: tp + fp)
recall_of = _of(lambda tp, fp, fn, tn: tp, lambda tp, fp, fn, tn: tp + fn)
f1_of = _of(lambda tp, fp, fn, tn: 2 * tp, lambda tp, fp, fn, tn: 2 * tp + fp + fn)
false_positive_rate_of = _of(lambda tp, fp, fn, tn: fp, lambda tp, fp, fn, tn: fp + tn)
false_negative_rate_of = _of(lambda tp, fp, fn, tn: fn, lambda tp, fp, fn, tn: tp + fn)


@metric(result=precision_of)
def precision(
    logits: Array,
    labels: Array,
    *,
    average: Average = "macro",
    class_id: Whole | None = None,
    threshold: Fraction = 0.5,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """tp / (tp + fp): how many of those that the net puts into a class are of it; 0 where it puts none there.

    Args:
        average: `macro` is the mean over the classes that occur, `weighted` weighs them by their examples, `micro`
            counts all of them together, `none` gives a list. A single output, or a `class_id`, needs none.
        class_id: the only class that is looked at; all where omitted.
        threshold: probability above which a single output says yes.
        from_logits: whether outputs become probabilities by a sigmoid (a softmax for classes); false where they are.
        multi_label: whether each output is a question of its own, with a label of 0 or 1.

    Source: TF-Slim metrics, streaming_precision, for a single output; the averages are scikit-learn's.
    """
    return _counts(logits, labels, threshold, from_logits, multi_label, class_id)


@metric(result=recall_of, like=precision)
def recall(
    logits: Array,
    labels: Array,
    *,
    average: Average = "macro",
    class_id: Whole | None = None,
    threshold: Fraction = 0.5,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """tp / (tp + fn): how many of a class the net puts into it; 0 where there are none.

    With `average: none` it is each class's accuracy.

    Source: TF-Slim metrics, streaming_recall, for a single output; the averages are scikit-learn's.
    """
    return _counts(logits, labels, threshold, from_logits, multi_label, class_id)


@metric(result=f1_of, like=precision)
def f1(
    logits: Array,
    labels: Array,
    *,
    average: Average = "macro",
    class_id: Whole | None = None,
    threshold: Fraction = 0.5,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """2 tp / (2 tp + fp + fn), the harmonic mean of precision and recall; 0 where a class does not occur.

    Source: scikit-learn's f1_score.
    """
    return _counts(logits, labels, threshold, from_logits, multi_label, class_id)


@metric(result=false_positive_rate_of, better="min", like=precision)
def false_positive_rate(
    logits: Array,
    labels: Array,
    *,
    average: Average = "macro",
    class_id: Whole | None = None,
    threshold: Fraction = 0.5,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """fp / (fp + tn): how many of those outside a class the net puts into it; 0 where there are none.

    Source: TF-Slim metrics, streaming_false_positive_rate, for a single output.
    """
    return _counts(logits, labels, threshold, from_logits, multi_label, class_id)


@metric(result=false_negative_rate_of, better="min", like=precision)
def false_negative_rate(
    logits: Array,
    labels: Array,
    *,
    average: Average = "macro",
    class_id: Whole | None = None,
    threshold: Fraction = 0.5,
    from_logits: bool = True,
    multi_label: bool = False,
) -> Array:
    """fn / (fn + tp): how many of a class the net leaves out of it; 0 where there are none.

    Source: TF-Slim metrics, streaming_false_negative_rate, for a single output.
    """
    return _counts(logits, labels, threshold, from_logits, multi_label, class_id)


def _matrix(logits: Array, labels: Array, threshold: float, from_logits: bool) -> Array:
    """Counts [batch, classes, classes]: labels down, answers across; a single output has two classes."""
    logits = columns(logits)
    said, right = answers(logits, labels, threshold, from_logits, False)
    number = max(logits.shape[-1], 2)
    said, right = (for_each_class(c.reshape(len(c), -1), number) for c in (said, right))
    return jnp.sum(right[..., :, None] & said[..., None, :], 1, dtype=jnp.int32)


def matrix_of(sums: Sum) -> Numpy:
    """The counts themselves."""
    return sums.total


@metric(result=matrix_of, better=None, like=precision)
def confusion_matrix(logits: Array, labels: Array, *, threshold: Fraction = 0.5, from_logits: bool = True) -> Array:
    """How many of each class (a row) the net puts into each class (a column).

    Each example of a batch takes classes x classes numbers of memory.

    Source: tf.math.confusion_matrix.
    """
    return _matrix(logits, labels, threshold, from_logits)


def mean_iou_of(sums: Sum) -> Numpy:
    """Mean intersection over union from a confusion matrix."""
    hits = np.diagonal(sums.total)
    union = sums.total.sum(0) + sums.total.sum(1) - hits
    return ratio(ratio(hits, union).sum(), np.count_nonzero(union))


@metric(result=mean_iou_of, like=precision)
def mean_iou(logits: Array, labels: Array, *, threshold: Fraction = 0.5, from_logits: bool = True) -> Array:
    """tp / (tp + fp + fn), the mean over the classes that occur in labels or answers.

    Source: TF-Slim metrics, streaming_mean_iou.
    """
    return _matrix(logits, labels, threshold, from_logits)


def cohen_kappa_of(sums: Sum) -> Numpy:
    """Kappa from a confusion matrix."""
    number = sums.total.sum()
    chance = ratio(sums.total.sum(0) @ sums.total.sum(1), number)
    return ratio(np.trace(sums.total) - chance, number - chance)


@metric(result=cohen_kappa_of, like=precision)
def cohen_kappa(logits: Array, labels: Array, *, threshold: Fraction = 0.5, from_logits: bool = True) -> Array:
    """(right - right by chance) / (all - right by chance): 1 is full agreement, 0 what chance gives.

    Source: TF-Slim metrics, cohen_kappa.
    """
    return _matrix(logits, labels, threshold, from_logits)
