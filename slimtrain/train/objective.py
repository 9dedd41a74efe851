"""The objective of a task: the weighted sums that make scalars of losses and metrics.

A loss or metric returns values that are not reduced. `Sum` keeps numerator and count, so that an evaluation adds up
over batches to exactly what one pass over all examples gives, padding weighted 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from slimtrain.config.catalog import Catalog
from slimtrain.config.records import Component
from slimtrain.lazy import Array, jnp
from slimtrain.net.graph import bind_all
from slimtrain.train.losses import indices


class Sum(NamedTuple):
    """A weighted sum and what it is divided by."""

    total: Array
    number: Array

    def mean(self) -> Array:
        """total / number, 0 where the number is 0."""
        return jnp.where(self.number == 0, 0.0, self.total / jnp.where(self.number == 0, 1.0, self.number))


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
