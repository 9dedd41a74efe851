"""Losses of metric learning: what embeddings of one class have in common, and how far other classes are from them.

All but `contrastive_loss` look at pairs within the batch and give one number for it, so an evaluation of them depends
on `eval_batch_size`. Left out of TF-Slim's: `cluster_loss`, which searches for centres on the host, with scikit-learn's
scores, in loops whose lengths depend on the labels of the batch.
"""

from slimtrain.config.catalog import loss
from slimtrain.config.values import NonNegative
from slimtrain.lazy import Array, jax, jnp


@loss()
def contrastive_loss(
    embeddings_anchor: Array, embeddings_positive: Array, labels: Array, *, margin: NonNegative = 1.0
) -> Array:
    """y d^2 + (1 - y) max(margin - d, 0)^2 for pairs at distance d, with labels y of 1 (alike) and 0, one value a pair.

    Args:
        margin: how far apart pairs that are not alike should be.

    Source: Hadsell, Chopra and LeCun (2006); TF-Slim losses, contrastive_loss.
    """
    square = jnp.sum(jnp.square(embeddings_anchor - embeddings_positive), 1)
    alike = labels.reshape(square.shape).astype(square.dtype)
    return alike * square + (1.0 - alike) * jnp.square(jnp.maximum(margin - _root(square), 0.0))


@loss()
def triplet_semihard_loss(embeddings: Array, labels: Array, mask: Array, *, margin: NonNegative = 1.0) -> Array:
    """max(0, margin + d_ap - d_an), the mean over pairs (a, p) of one class, of squared distances.

    The negative n of a pair is the nearest one that is farther than p; where there is none, the farthest of all.

    Args:
        margin: how much farther than p a negative should be.

    Source: Schroff, Kalenichenko and Philbin (2015); TF-Slim losses, triplet_semihard_loss.
    """
    square = _square_distances(embeddings)
    positive, negative = _pairs(labels, mask)
    farther = negative[:, None, :] & (square[:, None, :] > square[:, :, None])
    nearest = jnp.argmin(jnp.where(farther, square[:, None, :], jnp.inf), -1)
    outside = jnp.take_along_axis(square, nearest, 1)
    inside = jnp.max(jnp.where(negative, square, 0.0), 1, keepdims=True)
    values = margin + square - jnp.where(jnp.any(farther, -1), outside, inside)
    return _mean(jnp.maximum(values, 0.0), positive)


@loss()
def lifted_struct_loss(embeddings: Array, labels: Array, mask: Array, *, margin: NonNegative = 1.0) -> Array:
    """max(0, J)^2 / 2, the mean over pairs (i, j) of one class, where J sums over all their negatives.

    J = d_ij + log(sum of exp(margin - d_ik) + sum of exp(margin - d_jl)) over negatives k of i and l of j.

    Args:
        margin: how far negatives should be.

    Source: Song, Xiang, Jegelka and Savarese (2016); TF-Slim losses, lifted_struct_loss.
    """
    distances = _root(_square_distances(embeddings))
    positive, negative = _pairs(labels, mask)
    away = jax.nn.logsumexp(jnp.where(negative, margin - distances, _NOTHING), 1)
    values = distances + jnp.logaddexp(away[:, None], away[None, :])
    return _mean(0.5 * jnp.square(jnp.maximum(values, 0.0)), positive)


@loss()
def npairs_loss(
    embeddings_anchor: Array,
    embeddings_positive: Array,
    labels: Array,
    mask: Array,
    *,
    reg_lambda: NonNegative = 0.002,
) -> Array:
    """Cross entropy of each anchor's products with all positives against those of its class, and an L2 term.

    Args:
        reg_lambda: weight of the L2 term, a quarter of the mean squared lengths of anchors and positives.

    Source: Sohn (2016); TF-Slim losses, npairs_loss.
    """
    classes = _classes(labels)
    same = (classes[:, None] == classes[None, :]).astype(jnp.float32)
    return _npairs(embeddings_anchor, embeddings_positive, same, mask, reg_lambda)


@loss()
def npairs_loss_multilabel(
    embeddings_anchor: Array,
    embeddings_positive: Array,
    labels: Array,
    mask: Array,
    *,
    reg_lambda: NonNegative = 0.002,
) -> Array:
    """As npairs_loss, for labels [batch, classes] of 0 and 1, several to an example: pairs count by those they share.

    Args:
        reg_lambda: weight of the L2 term, a quarter of the mean squared lengths of anchors and positives.

    Source: Sohn (2016); TF-Slim losses, npairs_loss_multilabel.
    """
    held = (labels.reshape(len(labels), -1) != 0).astype(jnp.float32)
    return _npairs(embeddings_anchor, embeddings_positive, held @ held.T, mask, reg_lambda)


def _npairs(anchor: Array, positive: Array, shared: Array, mask: Array, reg_lambda: float) -> Array:
    shared = shared * mask[None, :]
    total = jnp.sum(shared, 1, keepdims=True)
    targets = shared / jnp.where(total == 0, 1.0, total)
    products = jnp.where(mask[None, :] != 0, jnp.matmul(anchor, positive.T, precision="highest"), _NOTHING)
    crossed = -jnp.sum(targets * jax.nn.log_softmax(products), 1)
    lengths = jnp.sum(jnp.square(anchor), 1) + jnp.sum(jnp.square(positive), 1)
    return _mean(crossed + 0.25 * reg_lambda * lengths, mask != 0)


_NOTHING = -1e30
"""A logit that leaves no probability; finite, since 0 times an infinite one is no number."""


def _classes(labels: Array) -> Array:
    """Labels as class numbers [batch]; one-hot ones by their largest."""
    return labels.reshape(-1) if labels.size == len(labels) else jnp.argmax(labels, -1)


def _pairs(labels: Array, mask: Array) -> tuple[Array, Array]:
    """Which pairs are two examples of one class, and which are of two classes; none with padding in it."""
    classes = _classes(labels)
    both = (mask[:, None] != 0) & (mask[None, :] != 0)
    same = classes[:, None] == classes[None, :]
    return both & same & ~jnp.eye(len(classes), dtype=bool), both & ~same


def _square_distances(embeddings: Array) -> Array:
    """Squared distances of all pairs; exactly 0 on the diagonal."""
    squares = jnp.sum(jnp.square(embeddings), 1)
    products = jnp.matmul(embeddings, embeddings.T, precision="highest")
    found = jnp.maximum(squares[:, None] + squares[None, :] - 2.0 * products, 0.0)
    return jnp.where(jnp.eye(len(squares), dtype=bool), 0.0, found)


def _root(squares: Array) -> Array:
    """Square roots, with a gradient of 0 instead of an infinite one at 0."""
    zero = squares <= 0.0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, squares)))


def _mean(values: Array, counted: Array) -> Array:
    """The mean of the values that count; 0 where none does."""
    number = jnp.sum(counted)
    return jnp.sum(jnp.where(counted, values, 0.0)) / jnp.where(number == 0, 1, number)
