"""`slimtrain inspect`: what a network is, and, given inputs, what it computes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from slimtrain.config.document import Document
from slimtrain.data.formats.npz import read_npy, read_npz
from slimtrain.errors import ConfigError, DataError, Problem, did_you_mean
from slimtrain.jobs.build import ABSTRACT_BATCH, Network, fields_read, make_task, network, open_data
from slimtrain.jobs.feed import Feed
from slimtrain.jobs.records import variable_record
from slimtrain.jobs.restore import EVERY, Filter, fit_weights, weights_from
from slimtrain.lazy import jax, jnp
from slimtrain.net.passes import apply, init, regularization, regularized, split
from slimtrain.net.scope import EndPoint
from slimtrain.store.weights import write_weights
from slimtrain.train.objective import loss_sums, loss_values
from slimtrain.train.step import Task, in_float32


@dataclass(frozen=True)
class Inspection:
    """A network's description, and after a pass the values of its end points, variables and losses by name."""

    config: str
    inputs: Mapping[str, tuple[int, ...]]
    network: Network
    update_ops: int
    regularization_losses: int
    collection: str = ""
    losses: Sequence[tuple[str, Any]] = ()
    values: Mapping[str, Any] | None = None
    chosen: frozenset[str] | None = None

    def end_points(self) -> list[EndPoint]:
        """The end points that are shown, without the unnamed output."""
        shown = [e for e in self.network.declaration.end_points if e.name != "__output__"]
        if self.collection in ("", "end_points"):
            return shown
        return [e for e in shown if self.collection in e.collections]

    def variables(self) -> list[dict[str, Any]]:
        """The variables that are shown, as records."""
        listed = self.network.declaration.specs
        specs = [s for name, s in listed.items() if self.chosen is None or name in self.chosen]
        records = [variable_record(spec) for spec in specs]
        if self.collection == "regularization_losses":
            return [r for r, spec in zip(records, specs, strict=True) if spec.regularizer]
        if self.collection in ("", "end_points"):
            return records if not self.collection else []
        moved = updated_by(self.network, self.collection)
        return [r for r in records if self.collection in r["collections"] or r["name"] in moved]

    def record(self) -> dict[str, Any]:
        """As `--json` gives it; the batch dimension of a shape is null, operations are for one example."""
        specs = self.network.declaration.specs.values()
        trainable = sum(prod(s.shape) for s in specs if s.trainable)
        return {
            "config": self.config,
            "inputs": {name: [None, *shape] for name, shape in self.inputs.items()},
            "end_points": [self._end_point(e) for e in self.end_points()],
            "variables": self.variables(),
            "parameters": {"trainable": trainable, "total": sum(prod(s.shape) for s in specs)},
            "update_ops": self.update_ops,
            "regularization_losses": self.regularization_losses,
            "flops": self.per_example(self.network.declaration.flops),
            **({"losses": [n for n, _ in self.losses]} if self.collection == "losses" else {}),
            **({"stats": self.statistics()} if self.values is not None else {}),
        }

    def _end_point(self, point: EndPoint) -> dict[str, Any]:
        return {
            "name": point.name,
            "op": point.op,
            "shape": [None, *point.shape[1:]],
            "dtype": point.dtype,
            "parameters": point.parameters,
            "flops": self.per_example(point.flops),
            "activation_bytes": prod(point.shape[1:]) * np.dtype(point.dtype).itemsize,
            "line": point.line,
        }

    def per_example(self, flops: int) -> int:
        """Operations counted over the abstract batch, for one example."""
        return flops // ABSTRACT_BATCH

    def statistics(self) -> dict[str, dict[str, float]]:
        """Mean, deviation, range and share of zeros of each end point's values."""
        assert self.values is not None
        names = [e.name for e in self.end_points()]
        return {n: _statistics(self.values[f"end_points/{n}"]) for n in names if f"end_points/{n}" in self.values}


def _statistics(value: Any) -> dict[str, float]:
    array = np.asarray(value, np.float64)
    found = {"mean": array.mean(), "std": array.std(), "min": array.min(), "max": array.max()}
    return {**{n: float(v) for n, v in found.items()}, "zeros": float((array == 0).mean())}


def inspect(
    document: Document,
    *,
    run: Path | None = None,
    weights: Path | None = None,
    inputs: Path | None = None,
    batch: int | None = None,
    training: bool = False,
    collection: str = "",
    chosen: Filter = EVERY,
    averages: bool = True,
    dump: Path | None = None,
) -> Inspection:
    """Describes a network by abstract evaluation; with inputs runs one pass and keeps every value.

    Args:
        document: the config, or a run's resolved one.
        run: the run whose last checkpoint gives the weights.
        weights: file that gives them instead; fresh ones without either.
        inputs: `.npy` of images or `.npz` with `image` (and `label` for the losses).
        batch: take that many examples of the data instead.
        training: run the pass in training mode.
        collection: show the members of this collection only.
        chosen: which variables to show.
        averages: use the moving averages of the variables where the run kept them (`train.ema`).
        dump: `.npz` to write the values to.

    Raises:
        ConfigError: a net that can't be built, a collection that does not exist, patterns that match nothing, dump
            without inputs.
        DataError: inputs that don't fit.
        CheckpointError: weights that don't fit.
    """
    data = open_data(document) if batch is not None else None
    net = network(document, data)
    task = make_task(document, net)
    _check_collection(collection, net, task)
    values = None
    if inputs is not None or batch is not None:
        given = _inputs_of(inputs, net) if inputs is not None else _batch_of(document, data, batch, task)
        values = run_pass(document, task, given, _variables(task, document, run, weights, averages), training)
        if dump is not None:
            write_weights(dump, {n: np.asarray(v) for n, v in values.items()})
    elif dump is not None:
        raise ConfigError(
            Problem("--dump", "there is nothing to dump without inputs", "add --inputs FILE or --batch N")
        )
    elif weights is not None:
        _variables(task, document, run, weights, averages)
    return Inspection(
        str(document.path),
        {"image": net.shape},
        net,
        applied_updates(document, net),
        len(regularized(task.specs)),
        collection,
        task.objective.losses,
        values,
        frozenset(chosen.names(task.specs)),
    )


def applied_updates(document: Document, net: Network) -> int:
    """Updates in the collections that the train step applies: two a batch norm applied, in-place ones none."""
    listed = set(document.train.update_ops)
    return sum(1 for u in net.declaration.updates if u.collections is not None and listed & set(u.collections))


def updated_by(net: Network, collection: str) -> set[str]:
    """The variables that the update ops of a collection move."""
    return {n for u in net.declaration.updates if collection in (u.collections or ()) for n in u.names}


def _check_collection(collection: str, net: Network, task: Task) -> None:
    known = {"end_points", "regularization_losses", "losses", "update_ops"}
    known |= {c for u in net.declaration.updates for c in u.collections or ()}
    known |= {c for e in net.declaration.end_points for c in e.collections}
    known |= {c for spec in task.specs.values() for c in spec.collections}
    if collection and collection not in known:
        hint = did_you_mean(collection, known) or f"there are {', '.join(sorted(known))}"
        raise ConfigError(Problem("--collection", f"no collection '{collection}'", hint))


def _variables(
    task: Task, document: Document, run: Path | None, weights: Path | None, averages: bool
) -> Mapping[str, Any]:
    source = weights or run
    if source is None:
        parameters, statistics = init(task.specs, jax.random.key(document.seed))
        return {**parameters, **statistics}
    return fit_weights(task.specs, weights_from(source, averages=averages), str(source))


def run_pass(
    document: Document, task: Task, inputs: Mapping[str, Any], variables: Mapping[str, Any], training: bool
) -> dict[str, Any]:
    """One pass: `end_points/<name>`, `variables/<name>` after it, `losses/<name>` where the inputs have labels."""
    parameters, statistics = split(task.specs, variables)
    fields = {name: jnp.asarray(value) for name, value in inputs.items()}

    def compute(parameters: Any, statistics: Any, fields: Any) -> dict[str, Any]:
        output, after, end_points = apply(
            task.forward,
            parameters,
            statistics,
            fields,
            training=training,
            key=jax.random.key(document.seed),
            want=None,
            update_ops=document.train.update_ops,
            scope=task.scope,
        )
        output, end_points = in_float32((output, end_points))
        penalty = regularization(task.specs, parameters)
        found = {"losses/regularization": penalty, **_losses(task, output, end_points, fields, penalty)}
        found |= {f"end_points/{n}": v for n, v in end_points.items()}
        return found | {f"variables/{n}": v for n, v in {**parameters, **after}.items()}

    return dict(jax.device_get(jax.jit(compute)(parameters, statistics, fields)))


def _losses(task: Task, output: Any, end_points: Any, fields: Mapping[str, Any], penalty: Any) -> dict[str, Any]:
    labels = {c.value("labels") for _, c in task.objective.losses}
    if not labels or labels - fields.keys():
        return {}
    losses = loss_values(task.objective, loss_sums(task.objective, output, end_points, fields))
    return {**{f"losses/{n}": v for n, v in losses.items()}, "losses/total": sum(losses.values(), start=penalty)}


def _inputs_of(path: Path, net: Network) -> dict[str, Any]:
    """The fields of a `.npy` (images) or `.npz` file; raises DataError where the images are not the net's inputs."""
    fields = {"image": read_npy(path)} if path.suffix == ".npy" else read_npz(path)
    if "image" not in fields:
        raise DataError(Problem(str(path), "has no field 'image'", f"its fields are {sorted(fields)}"))
    shape = fields["image"].shape[1:]
    if tuple(shape) != tuple(net.shape):
        told = f"'image' is {['batch', *shape]}, the network takes {['batch', *net.shape]}"
        raise DataError(Problem(str(path), told))
    return {n: v.astype(net.dtype) if n == "image" else v for n, v in fields.items()}


def _batch_of(document: Document, data: Any, number: int | None, task: Task) -> dict[str, Any]:
    feed = Feed(document, data, fields_read(document, task.objective))
    part = feed.split("test" if "test" in data.splits else "train")
    return feed.examples(part, number or 1)
