"""Losses and metrics, each one value an example; the weighted sums that make scalars of them.

A loss or metric returns values that are not reduced. `Sum` keeps numerator and count, so that an evaluation adds up
over batches to exactly what one pass over all examples gives, padding weighted 0.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from slimtrain.config.catalog import Catalog, loss, metric
from slimtrain.config.records import Component
from slimtrain.config.values import Count, Fraction
from slimtrain.errors import DataError, Problem
from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.graph import bind_all
from slimtrain.net.scope import shown


class Sum(NamedTuple):
    """A weighted sum and what it is divided by."""

    total: Array
    number: Array

    def mean(self) -> Array:
        """total / number, 0 where the number is 0."""
        return jnp.where(self.number == 0, 0.0, self.total / jnp.where(self.number == 0, 1.0, self.number))


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


@metric()
def accuracy(logits: Array, labels: Array) -> Array:
    """1 where the largest output is the label's, one value a row; a single output counts as class 1 above 0."""
    if logits.shape[-1] == 1:
        return ((logits[..., 0] > 0) == (labels.reshape(logits.shape[:-1]) > 0.5)).astype(jnp.float32)
    return (jnp.argmax(logits, -1) == indices(labels, logits)).astype(jnp.float32)


@metric(main="k")
def top_k(logits: Array, labels: Array, *, k: Count = 5) -> Array:
    """1 where the label is among the k largest outputs, one value a row.

    As in tf.nn.in_top_k, ties count as in, and a row with a number that is not finite as out.

    Args:
        k: how many; no more than there are classes are looked at.
    """
    chosen = jnp.take_along_axis(logits, indices(labels, logits)[..., None], -1)
    finite = jnp.all(jnp.isfinite(logits), -1)
    return (finite & (jnp.sum(logits > chosen, -1) < k)).astype(jnp.float32)


class Objective(NamedTuple):
    """What is computed from a pass's outputs and a batch: losses and metrics, each a bound component with its name."""

    losses: Sequence[tuple[str, Component]]
    metrics: Sequence[tuple[str, Component]]
    catalog: Catalog

    def wants(self) -> frozenset[str]:
        """The end points that losses and metrics read, besides the output."""
        components = [c for _, c in (*self.losses, *self.metrics)]
        return frozenset(str(n) for c in components if (n := output_name(c)) is not None)

    def fields(self) -> frozenset[str]:
        """The fields of the data that they read."""
        return frozenset(str(c.value("labels")) for _, c in (*self.losses, *self.metrics))


def objective(losses: Sequence[Component], metrics: Sequence[Component], catalog: Catalog) -> Objective:
    """Losses and metrics under the names that they are reported by."""
    return Objective(_named(losses), _named(metrics), catalog)


def _named(components: Sequence[Component]) -> list[tuple[str, Component]]:
    found: dict[str, Component] = {}
    for component in components:
        base = f"top_{component.value('k')}" if component.name == "top_k" else component.name
        name, number = base, 0
        while name in found:
            number += 1
            name = f"{base}_{number}"
        found[name] = component
    return list(found.items())


def output_name(component: Component) -> str | None:
    """The end point that a loss or metric reads; None for the net's output."""
    given = component.arguments.get("logits") or component.arguments.get("predictions")
    return given.value if given else None


def values_of(
    component: Component, catalog: Catalog, output: Array, end_points: Mapping[str, Array], batch: Any
) -> Any:
    """A loss's or metric's values for a batch, not reduced: (values, output that it read, labels)."""
    name = output_name(component)
    outputs = output if name is None else end_points[name]
    labels = batch[component.value("labels")]
    words = ("logits", "predictions", "labels", "weight", "class_weights")
    own = {n: a for n, a in component.arguments.items() if n not in words}
    function = catalog.kind(component.kind)[component.name].function
    return function(outputs, labels, **bind_all(catalog, own)), outputs, labels


def loss_sums(objective: Objective, output: Array, end_points: Mapping[str, Array], batch: Any) -> dict[str, Sum]:
    """Each loss as a weighted sum. Padding (`mask` 0) weighs nothing."""
    return {n: _loss_sum(c, objective.catalog, output, end_points, batch) for n, c in objective.losses}


def _loss_sum(component: Component, catalog: Catalog, output: Array, end_points: Any, batch: Any) -> Sum:
    values, outputs, labels = values_of(component, catalog, output, end_points, batch)
    weights = jnp.full((values.shape[0],), component.value("weight"), jnp.float32)
    if component.value("class_weights") is not None:
        factors = jnp.asarray(component.value("class_weights"), jnp.float32)
        chosen = factors[indices(labels, outputs)]
        weights = _per_example(weights, chosen) * chosen
    if "mask" in batch:
        weights = weights * _per_example(batch["mask"], weights)
    return weighted(values, weights)


def weighted(values: Array, weights: Array) -> Sum:
    """sum(values * weights) and the count of elements whose weight is not zero.

    Source: TF-Slim losses, compute_weighted_loss, which divides by that count and not by the sum of weights.
    """
    spread = jnp.broadcast_to(_per_example(weights, values), values.shape)
    return Sum(jnp.sum(values * spread), jnp.sum(spread != 0).astype(jnp.float32))


def _per_example(weights: Array, values: Array) -> Array:
    return weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))


def metric_sums(objective: Objective, output: Array, end_points: Mapping[str, Array], batch: Any) -> dict[str, Sum]:
    """Each metric as a sum over the examples that count."""
    found = {}
    for name, component in objective.metrics:
        values, _, _ = values_of(component, objective.catalog, output, end_points, batch)
        found[name] = weighted(values, batch.get("mask", jnp.ones(values.shape[:1], jnp.float32)))
    return found
