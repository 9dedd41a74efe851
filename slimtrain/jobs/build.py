"""From a Document to what runs: the data, the network with its table of variables, the task that is trained."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from slimtrain.config.document import Document, values_of
from slimtrain.config.patterns import matching
from slimtrain.data.records import Dataset, Split
from slimtrain.errors import ConfigError, DataError, Problem, did_you_mean
from slimtrain.jobs.feed import Feed, image_shape
from slimtrain.lazy import jax, jnp, optax
from slimtrain.net.graph import Forward, bind_all, forward
from slimtrain.net.modes import computing_in, freezing
from slimtrain.net.passes import Declaration, declare
from slimtrain.net.scope import LayerError
from slimtrain.train.objective import Objective, end_points_read, objective, output_name
from slimtrain.train.step import Task

ABSTRACT_BATCH = 2


@dataclass(frozen=True)
class Network:
    """A document's network: its forward function and what abstract evaluation says of it."""

    forward: Forward
    declaration: Declaration
    shape: tuple[int, ...]
    dtype: str


def open_data(document: Document) -> Dataset:
    """The document's data set, read; ConfigError without a data section, DataError for files that are not right."""
    if document.source is None:
        raise ConfigError(Problem("data", "no data to read", "add 'data: {source: ...}'", document.text.mark))
    function = document.catalog.kind("source")[document.source.name].function
    data: Dataset = function(**values_of(document.source.arguments))
    return data


def network(document: Document, data: Dataset | None = None) -> Network:
    """The network, evaluated abstractly; the input's shape from the config, the source, or the data itself.

    Raises:
        ConfigError: layers that don't fit, an input of unknown shape, patterns of `train.freeze` that match nothing.
    """
    shape = _shape(document, data)
    run = forward(document.plan, document.catalog)
    if document.train.precision != "float32":
        run = computing_in(run, document.train.precision)

    def declared(run: Forward) -> Network:
        batch = (ABSTRACT_BATCH, *shape)
        declaration = declare(run, batch, document.plan.input_dtype, scope=document.plan.scope)
        return Network(run, declaration, shape, document.plan.input_dtype)

    net = declared(run)
    frozen = _frozen(document, net)
    return declared(freezing(run, frozen)) if frozen else net


def _frozen(document: Document, net: Network) -> frozenset[str]:
    """The variables that `train.freeze` names; raises ConfigError for patterns that match none."""
    problems: list[Problem] = []
    patterns = document.train.freeze or ()
    found = _matching(document, "freeze", patterns, net.declaration.specs, problems)
    if problems:
        raise ConfigError(*problems)
    return frozenset(found)


def _shape(document: Document, data: Dataset | None) -> tuple[int, ...]:
    known = data and image_shape(document, data)
    stated = document.plan.input_shape
    if known and stated and tuple(known) != tuple(stated):
        told = f"model.input.shape is {list(stated)}, but the data's images are {list(known)}"
        raise DataError(Problem("model.input", told, "leave it out, or make them equal", document.plan.mark))
    shape = stated or known or _told(document)
    if shape:
        return tuple(shape)
    if document.source is None:
        hint = "add 'input: {shape: [height, width, channels]}' to the model, or a data section"
        raise ConfigError(Problem("model", "the input's shape is not known", hint, document.plan.mark))
    return _shape(document, open_data(document))


def _told(document: Document) -> tuple[int, ...] | None:
    """The shape that the source's description tells, after preprocessing; None where it tells none."""
    source = document.source and document.catalog.kind("source")[document.source.name]
    shape = source and source.description.facts["shape"]
    blank = shape and Dataset({"train": Split({"image": np.zeros((1, *shape), np.uint8)})}, None)
    return image_shape(document, blank) if blank else None


def make_task(document: Document, net: Network) -> Task:
    """The task: losses, optimizer, the variables to train. Raises ConfigError for what is missing and for patterns."""
    specs = net.declaration.specs
    train = document.train
    problems: list[Problem] = []
    goal = objective(document.losses, document.metrics, document.catalog)
    _check_reads(document, net, goal, problems)
    trained = _trained(document, net, problems)
    multipliers = _multipliers(document, trained, problems)
    optimizer, rate = _optimizer(document, problems)
    if problems:
        raise ConfigError(*problems)
    return Task(net.forward, specs, document.plan.scope, goal, train, optimizer, rate, trained, multipliers)


def need_training(document: Document) -> None:
    """Raises ConfigError for everything that `fit` needs and the config lacks."""
    mark = document.text.mark
    problems = []
    if document.source is None:
        problems.append(Problem("data", "no data to train on", "add 'data: {source: ...}'", mark))
    if not document.losses:
        problems.append(Problem("losses", "nothing to minimize", "add 'losses: [sparse_softmax_cross_entropy]'", mark))
    if document.optimizer is None:
        problems.append(Problem("optimizer", "none given", "add 'optimizer: {momentum: {learning_rate: 0.1}}'", mark))
    if (document.train.steps is None) == (document.train.epochs is None):
        problems.append(Problem("train", "give either 'steps' or 'epochs'", "train: {epochs: 10}", mark))
    if document.data is not None and document.data.batch_size % document.train.accumulate:
        told = f"{document.train.accumulate} parts do not divide a batch of {document.data.batch_size}"
        mark = document.sections["train"]["accumulate"].origin.mark or mark
        problems.append(Problem("train.accumulate", told, "use a divisor of data.batch_size", mark))
    if document.train.skip_non_finite is not None and not document.train.check_numerics:
        mark = document.sections["train"]["skip_non_finite"].origin.mark or mark
        told = "nothing is skipped where numbers are not checked"
        problems.append(Problem("train.skip_non_finite", told, "drop 'check_numerics: false'", mark))
    given = document.train.init_include or document.train.init_exclude
    if given and document.train.init_from is None:
        hint = "add 'init_from: PATH', or drop them"
        problems.append(Problem("train", "init_include and init_exclude say what init_from takes", hint, mark))
    if problems:
        raise ConfigError(*problems)


def _check_reads(document: Document, net: Network, goal: Objective, problems: list[Problem]) -> None:
    names = {e.name for e in net.declaration.end_points}
    for _, component in (*goal.losses, *goal.metrics):
        for name in end_points_read(component):
            if name not in names:
                told, hint = f"no end point '{name}'", did_you_mean(name, names)
                problems.append(Problem(component.name, told, hint, component.mark))


def _trained(document: Document, net: Network, problems: list[Problem]) -> frozenset[str]:
    trainable = [n for n, spec in net.declaration.specs.items() if spec.trainable]
    patterns = document.train.variables_to_train
    if patterns is None:
        return frozenset(trainable)
    return frozenset(_matching(document, "variables_to_train", patterns, trainable, problems))


def _multipliers(document: Document, trained: frozenset[str], problems: list[Problem]) -> dict[str, float]:
    found: dict[str, float] = {}
    for pattern, factor in (document.train.gradient_multipliers or {}).items():
        for name in _matching(document, "gradient_multipliers", (pattern,), sorted(trained), problems):
            found[name] = found.get(name, 1.0) * factor
    return found


def _matching(document: Document, key: str, patterns: Any, names: Any, problems: list[Problem]) -> list[str]:
    try:
        return matching(patterns, names, f"train.{key}", document.sections["train"][key].origin.mark)
    except ConfigError as error:
        problems += error.problems
        return []


def _optimizer(document: Document, problems: list[Problem]) -> tuple[Any, Any]:
    """(optax transformation, learning rate as a function of the step); nothing moves where the config names none."""
    component = document.optimizer
    if component is None:
        return optax.set_to_zero(), lambda step: jnp.float32(0.0)
    arguments = bind_all(document.catalog, component.arguments)
    function = document.catalog.kind("optimizer")[component.name].function
    rate = arguments["learning_rate"]
    try:
        jax.eval_shape(rate, np.int32(0))
    except LayerError as error:
        mark = component.arguments["learning_rate"].origin.mark or component.mark
        problems.append(Problem(f"optimizer {component.name}", error.what, error.hint, mark))
    return function(**arguments), rate


def feed(document: Document, data: Dataset, goal: Objective, net: Network) -> Feed:
    """The document's batches; raises DataError for labels that the network has no output for."""
    _check_classes(document, data, net)
    return Feed(document, data, fields_read(document, goal))


def fields_read(document: Document, goal: Objective) -> frozenset[str]:
    """The fields of the data that the network, its losses and its metrics read."""
    return frozenset({"image", *goal.fields(), *layer_fields(document)})


def layer_fields(document: Document) -> set[str]:
    """Fields of the data that layers name (`batch_weights`)."""
    components = [c for layer in document.plan.layers() for c in (layer.op, layer.normalizer) if c is not None]
    named = [c.value("batch_weights") for c in components if "batch_weights" in c.arguments]
    return {str(name) for name in named if name is not None}


def _check_classes(document: Document, data: Dataset, net: Network) -> None:
    """Raises DataError where a softmax's labels are classes that it has no output for."""
    outputs = {e.name: e.shape[-1] for e in net.declaration.end_points if e.shape}
    for loss in (c for c in document.losses if "softmax" in c.name):
        number = outputs[output_name(loss) or "__output__"]
        field = str(loss.value("labels"))
        for low, high in _label_ranges(data, field):
            if low < 0:
                told = f"'{field}' holds the label {low}; classes are numbered from 0"
                raise DataError(Problem("data", told, "map the labels to 0, 1, 2, ...", document.plan.mark))
            if high >= number:
                told = f"labels go up to {high}, but the network has {number} outputs"
                hint = f"give its last layer num_outputs: {high + 1}"
                raise DataError(Problem("data", told, hint, document.plan.mark))


def _label_ranges(data: Dataset, field: str) -> list[tuple[int, int]]:
    """(lowest, highest) of whole-number labels: of the classes that the data declares, and of each split."""
    found = [s.fields[field] for s in data.splits.values() if field in s.fields]
    declared = [(0, data.classes - 1)] if data.classes and field == "label" else []
    return declared + [(int(a.min()), int(a.max())) for a in found if a.dtype.kind in "iu"]
