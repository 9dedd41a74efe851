"""The objective of a task: the weighted sums that become the numbers of losses and metrics.

A loss or metric returns values that are not reduced. `Sum` keeps their sum and their number, so that an evaluation
adds up over batches to exactly what one pass over all examples gives, padding weighted 0.
"""

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from slimtrain.config.arguments import READS
from slimtrain.config.catalog import Catalog, Definition
from slimtrain.config.records import Component
from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.graph import bind_all
from slimtrain.train.exact import Exact, exact_sum
from slimtrain.train.losses import indices


class Sum(NamedTuple):
    """Weighted sums and what they are divided by. A metric's are `Exact` on the device, numpy's float64 on the host."""

    total: Any
    number: Any

    def mean(self) -> Any:
        """The mean of total / number, 0 where the number is 0."""
        return (self.total / (self.number + (self.number == 0))).mean()


class Objective(NamedTuple):
    """What is computed from a pass's outputs and a batch: losses and metrics, each a bound component with its name."""

    losses: Sequence[tuple[str, Component]]
    metrics: Sequence[tuple[str, Component]]
    catalog: Catalog

    def wants(self) -> frozenset[str]:
        """The end points that losses and metrics read, besides the output."""
        return frozenset(n for _, c in (*self.losses, *self.metrics) for n in end_points_read(c))

    def fields(self) -> frozenset[str]:
        """The fields of the data that they read."""
        words = [c.arguments.get("labels") for _, c in (*self.losses, *self.metrics)]
        return frozenset(str(a.value) for a in words if a is not None) | self.weight_fields()

    def weight_fields(self) -> frozenset[str]:
        """The fields of the data that hold weights of examples."""
        named = [c.value("weights") for _, c in self.metrics]
        return frozenset(str(n) for n in named if n is not None)


def objective(losses: Sequence[Component], metrics: Sequence[Component], catalog: Catalog) -> Objective:
    """Losses and metrics under the names that they are reported by."""
    return Objective(_named(losses), _named(metrics), catalog)


def _named(components: Sequence[Component]) -> list[tuple[str, Component]]:
    found: dict[str, Component] = {}
    for component in components:
        base = name = _base_name(component)
        number = 0
        while name in found:
            number += 1
            name = f"{base}_{number}"
        found[name] = component
    return list(found.items())


def _base_name(component: Component) -> str:
    if component.name == "top_k":
        return f"top_{component.value('k')}"
    chosen = component.arguments.get("class_id")
    return component.name if chosen is None or chosen.value is None else f"{component.name}_class_{chosen.value}"


def end_points_read(component: Component) -> list[str]:
    """The end points that a loss or metric names; where it names none it reads the net's output."""
    named = [component.arguments[n].value for n in READS if n in component.arguments]
    return [str(n) for n in named if n is not None]


def output_name(component: Component) -> str | None:
    """The first end point that a loss or metric reads; None for the net's output."""
    return next(iter(end_points_read(component)), None)


def _given(component: Component, definition: Definition, output: Array, end_points: Any, batch: Any) -> list[Array]:
    """What a loss's or metric's function is handed: end points, labels, the mask."""
    found = []
    for name in definition.given:
        if name == "mask":
            found.append(_mask(batch, output))
        elif name == "labels":
            found.append(batch[component.value("labels")])
        else:
            point = component.value(name)
            found.append(output if point is None else end_points[point])
    return found


def _mask(batch: Any, output: Array) -> Array:
    return batch["mask"] if "mask" in batch else jnp.ones(output.shape[:1], jnp.float32)


def _values(component: Component, definition: Definition, given: Sequence[Array], catalog: Catalog) -> Array:
    own = {n: a for n, a in component.arguments.items() if n in definition.parameters}
    values: Array = definition.function(*given, **bind_all(catalog, own))
    return values


def loss_sums(objective: Objective, output: Array, end_points: Mapping[str, Array], batch: Any) -> dict[str, Sum]:
    """Each loss as a weighted sum. Padding (`mask` 0) weighs nothing."""
    return {n: _loss_sum(c, objective.catalog, output, end_points, batch) for n, c in objective.losses}


def _loss_sum(component: Component, catalog: Catalog, output: Array, end_points: Any, batch: Any) -> Sum:
    definition = catalog.kind("loss")[component.name]
    given = _given(component, definition, output, end_points, batch)
    values = _values(component, definition, given, catalog)
    if values.ndim == 0:
        number = jnp.sum(_mask(batch, output))
        return Sum(component.value("weight") * values * number, number)
    weights = jnp.full((values.shape[0],), component.value("weight"), jnp.float32)
    if component.value("class_weights") is not None:
        factors = jnp.asarray(component.value("class_weights"), jnp.float32)
        chosen = factors[indices(batch[component.value("labels")], given[0])]
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


def loss_values(objective: Objective, sums: Mapping[str, Sum], parts: int = 1) -> dict[str, Any]:
    """Each loss as the number that is minimized; `sums` are those of `loss_sums`, perhaps of several batches.

    Of one of `parts` of a batch, it is the number whose mean over the parts is the batch's.
    """
    known = objective.catalog.kind("loss")
    summed = {n for n, c in objective.losses if known[c.name].description.facts["reduction"] == "sum"}
    return {n: sums[n].total * parts if n in summed else sums[n].mean() for n, _ in objective.losses}


def metric_sums(objective: Objective, output: Array, end_points: Mapping[str, Array], batch: Any) -> dict[str, Sum]:
    """Each metric's sums over the examples that count: [batch, ...] over its first axis, and the examples' weights."""
    return {n: _metric_sum(c, objective.catalog, output, end_points, batch) for n, c in objective.metrics}


def _metric_sum(component: Component, catalog: Catalog, output: Array, end_points: Any, batch: Any) -> Sum:
    definition = catalog.kind("metric")[component.name]
    given = _given(component, definition, output, end_points, batch)
    values = _values(component, definition, given, catalog)
    mask, field = _mask(batch, output), component.value("weights")
    if field is None:
        return Sum(exact_sum(values, mask), exact_sum(mask != 0, mask))
    weights = batch[field].reshape(mask.shape).astype(jnp.float32)
    # Examples that weigh nothing are left out: 0 times a number that is not finite would be none.
    return Sum(exact_sum(values * _per_example(weights, values), mask * (weights != 0)), exact_sum(weights, mask))


def on_host(sums: Any) -> Any:
    """Sums as float64 on the host, where they add up over batches."""
    fetched = jax.device_get(sums)
    return jax.tree.map(_float64, fetched, is_leaf=lambda value: isinstance(value, Exact))


def _float64(value: Any) -> Any:
    return value.float64() if isinstance(value, Exact) else np.asarray(value, np.float64)


def added(totals: Mapping[str, Sum], sums: Mapping[str, Sum]) -> dict[str, Sum]:
    """Totals with the sums of further examples, both on the host; without totals the sums."""
    if not totals:
        return dict(sums)
    return {n: Sum(totals[n].total + one.total, totals[n].number + one.number) for n, one in sums.items()}


def metric_values(objective: Objective, sums: Mapping[str, Sum]) -> dict[str, Any]:
    """Each metric as it is reported: a number, or lists of numbers; `sums` are on the host."""
    return {n: _metric_value(objective.catalog, c, sums[n]) for n, c in objective.metrics}


def _metric_value(catalog: Catalog, component: Component, sums: Sum) -> Any:
    result = catalog.kind("metric")[component.name].description.facts["result"] or Sum.mean
    own = {n: component.value(n) for n in signature(result).parameters if n in component.arguments}
    with np.errstate(all="ignore"):
        return np.asarray(result(sums, **own), np.float64).tolist()
