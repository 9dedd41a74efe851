"""`check`, `resolve`, `explain`: a config as it is understood, without training."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from slimtrain.config.catalog import normalizer_scope
from slimtrain.config.document import Document, in_order, read
from slimtrain.config.names import under
from slimtrain.config.nodes import plain
from slimtrain.config.records import Argument, Component, LayerPlan
from slimtrain.config.resolved import resolved
from slimtrain.config.text import read_text
from slimtrain.config.yaml_out import text
from slimtrain.errors import ConfigError, Problem, SlimtrainError, did_you_mean
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.plain import plain_value


def check(path: Path, overrides: Iterable[str], plugins: tuple[str, ...], fast: bool) -> list[Problem]:
    """Every problem of a config and every warning; `fast` stops before shapes, which need JAX."""
    try:
        document = read(path, overrides, catalog(plugins))
    except ConfigError as error:
        return list(error.problems)
    problems = list(document.warnings)
    if not fast:
        problems += _shapes(document)
    return in_order(problems)


def _shapes(document: Document) -> list[Problem]:
    from slimtrain.jobs.build import make_task, network
    from slimtrain.jobs.lints import training_warnings

    try:
        net = network(document)
        task = make_task(document, net)
        return training_warnings(document, net, task, _steps(document))
    except SlimtrainError as error:
        return list(error.problems)


def _steps(document: Document) -> int | None:
    """How many steps are planned, where that can be said without opening the data."""
    train, data, source = document.train, document.data, document.source
    if train.steps or not (train.epochs and data and source):
        return train.steps
    examples = document.catalog.kind("source")[source.name].description.facts["examples"]
    return train.epochs * (examples // data.batch_size) if examples else None


def problem_record(problem: Problem) -> dict[str, Any]:
    """A problem as `--json` gives it."""
    mark = problem.mark
    return {
        "file": mark.file if mark else None,
        "line": mark.line if mark else None,
        "column": mark.column if mark else None,
        "severity": problem.severity,
        "where": problem.where,
        "message": problem.what,
        "hint": problem.hint,
    }


def resolved_as(document: Document, origins: bool) -> tuple[Any, str]:
    """The resolved config as (plain values, YAML text)."""
    shown = resolved(document, origins)
    return plain(read_text(shown, document.name)), shown.rstrip("\n")


def explain(document: Document, key: str) -> dict[str, Any]:
    """Where a value came from.

    Args:
        document: the config.
        key: `train.steps`, `conv1.num_outputs` (a layer's scope and an argument), `conv1/BatchNorm.decay`,
            `optimizer.momentum.learning_rate`, or a path into the text such as `model.layers.0.conv2d.padding`.

    Raises:
        ConfigError: nothing has that key, with the nearest ones.
    """
    known = arguments_by_key(document)
    argument = known.get(key) or known.get(_by_text(document, key))
    if argument is None:
        hint = did_you_mean(key, known) or "name a section's key or a layer's scope and argument: conv1.num_outputs"
        raise ConfigError(Problem("explain", f"no value '{key}'", hint))
    chain = [{"origin": str(origin), "value": plain_value(value)} for origin, value in argument.chain]
    return {"key": key, "value": plain_value(argument), "origin": str(argument.origin), "chain": chain}


def arguments_by_key(document: Document) -> dict[str, Argument]:
    """Every resolved value by the key that `explain` takes."""
    sections = {f"{name}." if name != "top" else "": s for name, s in document.sections.items()}
    found = {f"{prefix}{name}": a for prefix, section in sections.items() for name, a in section.items()}
    found |= {f"model.input.{n}": a for n, a in document.sections["input"].items()}
    for layer in document.plan.layers():
        found |= _layer_arguments(document, layer)
    parts = [("losses", document.losses), ("metrics", document.metrics)]
    for name, components in parts:
        for number, component in enumerate(components):
            found |= _inside(f"{name}.{number}.{component.name}", component)
    return found | (_inside(f"optimizer.{document.optimizer.name}", document.optimizer) if document.optimizer else {})


def _layer_arguments(document: Document, layer: LayerPlan) -> dict[str, Argument]:
    found = {f"{layer.path}.{name}": a for name, a in {**layer.words.arguments, **layer.op.arguments}.items()}
    if (normalizer := layer.normalizer) is not None:
        scope = normalizer_scope(document.catalog, normalizer.name, normalizer.value("scope"))
        found |= _inside(under(layer.path, scope), normalizer)
    return found


def _inside(prefix: str, component: Component) -> dict[str, Argument]:
    found: dict[str, Argument] = {}
    for name, argument in component.arguments.items():
        found[f"{prefix}.{name}"] = argument
        if isinstance(argument.value, Component):
            found |= _inside(f"{prefix}.{name}.{argument.value.name}", argument.value)
    return found


def _by_text(document: Document, key: str) -> str:
    """The key of a path into the text that ends at a layer's argument: the layer that stands there."""
    path, _, name = key.rpartition(".")
    node: Any = document.text
    for part in path.split("."):
        inner = (
            node.sequence[int(part)] if part.isdigit() and node.sequence and int(part) < len(node.sequence) else None
        )
        node = inner or node.get(part)
        if node is None:
            return ""
    marks = {layer.mark: layer.path for layer in document.plan.layers()}
    owner = next((p for m, p in marks.items() if (m.file, m.line) == (node.mark.file, node.mark.line)), "")
    return f"{owner}.{name}"


def explained(record: dict[str, Any]) -> str:
    """An explanation for people: the value, then the chain with the winner last."""
    lines = [f"{record['key']} = {text(record['value'])}   ({record['origin']})"]
    width = max((len(step["origin"]) for step in record["chain"]), default=0)
    for step in record["chain"]:
        lines.append(f"  {step['origin']:<{width}}  {text(step['value'])}")
    return "\n".join(lines)
