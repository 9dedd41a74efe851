"""What a classifier answered: outputs as probabilities, classes, yes or no; counts of right and wrong; averages."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from slimtrain.errors import ConfigError, Problem
from slimtrain.lazy import Array, jax, jnp
from slimtrain.train.losses import indices, one_hot

Average = Literal["macro", "micro", "weighted", "none"]
Numpy = Any


def columns(logits: Array) -> Array:
    """Outputs with an axis of classes: one output an example, [batch], is a class by itself."""
    return logits[:, None] if logits.ndim == 1 else logits


def alone(logits: Array, multi_label: bool) -> bool:
    """Whether each output is a question of its own, yes or no; else they are classes of which one is right."""
    return multi_label or logits.shape[-1] == 1


def probabilities(logits: Array, from_logits: bool, multi_label: bool) -> Array:
    """Outputs as probabilities: by a sigmoid each, or by a softmax over the classes."""
    if not from_logits:
        return logits
    return jax.nn.sigmoid(logits) if alone(logits, multi_label) else jax.nn.softmax(logits)


def answers(
    logits: Array, labels: Array, threshold: float, from_logits: bool, multi_label: bool
) -> tuple[Array, Array]:
    """(what the net says, what is right): classes [batch, ...], or 0 and 1 [batch, ..., outputs]."""
    if not alone(logits, multi_label):
        return jnp.argmax(logits, -1), indices(labels, logits)
    said = probabilities(logits, from_logits, multi_label) > threshold
    return said.astype(jnp.int32), (one_hot(labels, logits) > 0.5).astype(jnp.int32)


def for_each_class(classes: Array, number: int) -> Array:
    """Classes as yes or no for each: [..., number]."""
    return classes[..., None] == jnp.arange(number)


def counts(said: Array, right: Array, class_id: int | None) -> Array:
    """True and false positives, false and true negatives: whole numbers [batch, 4, classes, thresholds].

    Args:
        said: yes or no [batch, ..., classes, thresholds].
        right: yes or no [batch, ..., classes, 1].
        class_id: the only class that is counted.
    """
    if class_id is not None:
        said, right = _only(class_id, said), _only(class_id, right)
    kinds = (said & right, said & ~right, ~said & right, ~said & ~right)
    return jnp.stack([jnp.sum(kind, range(1, said.ndim - 2), dtype=jnp.int32) for kind in kinds], 1)


def _only(class_id: int, values: Array) -> Array:
    number = values.shape[-2]
    if class_id >= number:
        told = f"there is no class {class_id}; the outputs are {number}"
        raise ConfigError(Problem("metrics", told, "classes are numbered from 0; choose another 'class_id'"))
    return values[..., class_id : class_id + 1, :]


def ratio(part: Numpy, whole: Numpy) -> Numpy:
    """part / whole, 0 where the whole is 0; on the host."""
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole != 0)


def averaged(counted: Numpy, score: Callable[..., Numpy], there: Callable[..., Numpy], average: Average) -> Numpy:
    """A score of all classes, from their counts [4, classes, thresholds]; on the host.

    `micro` is the score of the counts of all classes together; `macro` the mean over the classes that are there,
    `weighted` by how many examples each has; `none` the scores themselves. A single class is its own average.

    Args:
        counted: the counts.
        score: a class's counts, one argument a kind, each [thresholds], to its score.
        there: likewise, to whether the class takes part in the mean.
        average: which of these.
    """
    if average == "micro":
        counted = counted.sum(1, keepdims=True)
    classes = counted.swapaxes(0, 1)
    scores = np.array([score(*one) for one in classes])
    if len(scores) == 1 or average == "none":
        return scores[0] if len(scores) == 1 else scores
    weights = np.array([(support if average == "weighted" else there)(*one) for one in classes], np.float64)
    return ratio((scores * weights).sum(), weights.sum())


def support(tp: Numpy, fp: Numpy, fn: Numpy, tn: Numpy) -> Numpy:
    """How many examples are of a class; thresholds do not change it."""
    return (tp + fn)[0]
