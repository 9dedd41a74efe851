"""Losses of single examples, each one value an example or element, not reduced."""

from math import prod

from slimtrain.config.catalog import loss
from slimtrain.config.values import Fraction, Positive
from slimtrain.errors import DataError, Problem
from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.scope import shown


def one_hot(labels: Array, outputs: Array) -> Array:
    """Labels as the outputs are shaped: integer labels one-hot over the last axis, others as floats."""
    if jnp.issubdtype(labels.dtype, jnp.integer) and labels.shape != outputs.shape:
        flat = labels[..., 0] if labels.ndim == outputs.ndim and labels.shape[-1] == 1 else labels
        if flat.shape == outputs.shape[:-1] and outputs.shape[-1] > 1:
            return jax.nn.one_hot(flat, outputs.shape[-1], dtype=outputs.dtype)
    return _as_shaped(labels.astype(outputs.dtype), outputs.shape)


def indices(labels: Array, outputs: Array) -> Array:
    """Labels as class numbers [batch, ...]: one-hot ones by their largest."""
    if labels.shape == outputs.shape and outputs.ndim > 1:
        return jnp.argmax(labels, -1)
    return _as_shaped(labels.astype(jnp.int32), outputs.shape[:-1])


def _as_shaped(labels: Array, shape: tuple[int, ...]) -> Array:
    if labels.size == prod(shape):
        return labels.reshape(shape)
    told = f"{shown(labels.shape)} do not fit the outputs, which want {shown(shape)}"
    hint = "give the last layer as many outputs as an example has labels, or read another end point with 'logits'"
    raise DataError(Problem("labels", told, hint))


@loss()
def softmax_cross_entropy(logits: Array, labels: Array, *, label_smoothing: Fraction = 0.0) -> Array:
    """Cross entropy of a softmax against one-hot labels (integer ones are encoded), one value a row.

    Args:
        label_smoothing: s turns a label y of K classes into y (1 - s) + s / K.

    Source: TF-Slim losses, softmax_cross_entropy; no gradient flows into the labels.
    """
    targets = jax.lax.stop_gradient(one_hot(labels, logits))
    targets = targets * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
    return -jnp.sum(targets * jax.nn.log_softmax(logits), -1)


@loss()
def sparse_softmax_cross_entropy(logits: Array, labels: Array) -> Array:
    """Cross entropy of a softmax against integer labels [batch] or [batch, 1], one value a row.

    Source: TF-Slim losses, sparse_softmax_cross_entropy.
    """
    chosen = jnp.take_along_axis(logits, indices(labels, logits)[..., None], -1)[..., 0]
    return jax.nn.logsumexp(logits, -1) - chosen


@loss()
def mean_squared_error(predictions: Array, labels: Array) -> Array:
    """(prediction - label)^2, one value an element; no half.

    Source: TF-Slim losses, mean_squared_error.
    """
    return jnp.square(predictions - one_hot(labels, predictions))


@loss()
def absolute_difference(predictions: Array, labels: Array) -> Array:
    """|prediction - label|, one value an element.

    Source: TF-Slim losses, absolute_difference.
    """
    return jnp.abs(predictions - one_hot(labels, predictions))


@loss()
def sigmoid_cross_entropy(logits: Array, labels: Array, *, label_smoothing: Fraction = 0.0) -> Array:
    """Cross entropy of a sigmoid against labels from 0 to 1, several of which may be 1, one value an element.

    Args:
        label_smoothing: s turns a label y into y (1 - s) + s / 2.

    Source: TF-Slim losses, sigmoid_cross_entropy.
    """
    targets = one_hot(labels, logits) * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return jnp.maximum(logits, 0.0) - logits * targets + jnp.log1p(jnp.exp(-jnp.abs(logits)))


@loss()
def log_loss(predictions: Array, labels: Array, *, epsilon: Positive = 1e-7) -> Array:
    """-y log(p + epsilon) - (1 - y) log(1 - p + epsilon) of probabilities p, one value an element.

    Args:
        epsilon: keeps the logarithms finite.

    Source: TF-Slim losses, log_loss.
    """
    targets = one_hot(labels, predictions)
    return -targets * jnp.log(predictions + epsilon) - (1.0 - targets) * jnp.log(1.0 - predictions + epsilon)


@loss()
def hinge_loss(logits: Array, labels: Array) -> Array:
    """max(0, 1 - (2y - 1) * logit) for labels y of 0 and 1, one value an element.

    Source: TF-Slim losses, hinge_loss, which leaves it to the caller to reduce and collect it.
    """
    return jnp.maximum(0.0, 1.0 - (2.0 * one_hot(labels, logits) - 1.0) * logits)


@loss()
def cosine_distance(predictions: Array, labels: Array, *, axis: int) -> Array:
    """1 - sum of prediction * label along an axis, of vectors of length 1.

    Args:
        axis: the axis of the vectors; it is left with length 1.

    Source: TF-Slim losses, cosine_distance.
    """
    return 1.0 - jnp.sum(predictions * one_hot(labels, predictions), axis, keepdims=True)


@loss()
def huber_loss(predictions: Array, labels: Array, *, delta: Positive = 1.0) -> Array:
    """d^2 / 2 for distances up to delta, delta * (|d| - delta / 2) beyond, one value an element.

    Args:
        delta: where the square turns into a line.

    Source: tf.losses.huber_loss (Huber, 1964).
    """
    distance = jnp.abs(predictions - one_hot(labels, predictions))
    near = jnp.minimum(distance, delta)
    return 0.5 * jnp.square(near) + delta * (distance - near)


@loss(reduction="sum")
def mean_pairwise_squared_error(predictions: Array, labels: Array) -> Array:
    """Mean of ((p_i - p_j) - (y_i - y_j))^2 over all n^2 pairs of an example's elements, one value an example.

    The examples' values are summed over the batch, not averaged; in an evaluation, over the split.

    Source: TF-Slim losses, mean_pairwise_squared_error, which counts n^2 pairs where tf.losses counts n (n - 1).
    """
    distances = (predictions - one_hot(labels, predictions)).reshape(len(predictions), -1)
    return 2.0 * (jnp.mean(jnp.square(distances), 1) - jnp.square(jnp.mean(distances, 1)))
