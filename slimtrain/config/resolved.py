"""A config with nothing left to resolve: every argument of every layer, scopes applied, blocks written out. It reads
back as the same plan, so a run can be evaluated, resumed or run again from it alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slimtrain.config.catalog import WORDS
from slimtrain.config.document import Document
from slimtrain.config.records import Argument, Component, GroupPlan, Item, LayerPlan, Words
from slimtrain.config.yaml_out import Leaf, dump


def resolved(document: Document, origins: bool = False) -> str:
    """The resolved config as YAML; `origins` says behind each value where it was set."""
    return dump(tree(document), origins)


def tree(document: Document) -> dict[str, Any]:
    """The resolved config as mappings, lists and leaves with their origins."""
    sections = document.sections
    top = sections["top"]
    model = {
        **_given({"scope": sections["model"]["scope"]}),
        "input": _given(sections["input"]),
        "layers": items(document.plan.items, document.plan.scope),
    }
    parts = {
        "seed": _leaf(top["seed"]),
        "data": _given(sections.get("data", {})),
        "model": model,
        "losses": [_component(c) for c in document.losses],
        "metrics": [_component(c) for c in document.metrics],
        "optimizer": _component(document.optimizer) if document.optimizer else None,
        "train": _given(sections["train"]),
    }
    return {name: part for name, part in parts.items() if part not in (None, {}, [])}


def items(plans: tuple[Item, ...], parent: str) -> list[Any]:
    """Items as they would be written, each with its scope, no arg scopes left."""
    return [_layer(p, parent) if isinstance(p, LayerPlan) else _group(p, parent) for p in plans]


def _layer(plan: LayerPlan, parent: str) -> Any:
    body = {"scope": Leaf(_below(plan.path, parent)), **_words(plan.words)}
    return {plan.op.name: body | {name: _value(a) for name, a in plan.op.arguments.items()}}


def _group(plan: GroupPlan, parent: str) -> Any:
    listed = bool(plan.path) and plan.listed
    inner = plan.path if listed else parent
    body: dict[str, Any] = {"scope": Leaf(_below(plan.path, parent))} if listed else {}
    body |= _words(plan.words)
    branches = [items(b, inner) for b in plan.branches]
    if plan.join is None:
        body["layers"] = [i for branch in branches for i in branch]
        return {"tap": body} if plan.kind == "tap" else body
    body |= {name: _value(a) for name, a in plan.join.arguments.items()}
    if plan.join.name == "residual":
        return {"residual": body | {"shortcut": branches[0], "layers": branches[1]}}
    return {plan.join.name: body | ({"branches": branches} if branches else {})}


def _below(path: str, parent: str) -> str:
    return path[len(parent) + 1 :] if parent else path


def _words(words: Words) -> dict[str, Any]:
    """The words that are not at their defaults; end points by their full names."""
    found: dict[str, Any] = {}
    for name, parameter in WORDS.items():
        argument = words.arguments.get(name)
        if name not in ("scope", "default_scope") and argument is not None and argument.value != parameter.default:
            found[name] = _value(argument)
    if words.inputs:
        found["inputs"] = Leaf(["/" + name for name in words.inputs])
    return found


def _given(arguments: Mapping[str, Argument]) -> dict[str, Any]:
    """Arguments that say something: null, and an empty list where that is the default, are left out."""
    kept = {n: a for n, a in arguments.items() if a.value is not None and (a.value != () or a.origin.kind != "default")}
    return {name: _value(argument) for name, argument in kept.items() if name != "layers"}


def _leaf(argument: Argument) -> Leaf:
    return Leaf(argument.value, str(argument.origin))


def _value(argument: Argument) -> Any:
    value, remark = argument.value, str(argument.origin)
    if isinstance(value, Component):
        return _component(value, remark)
    if isinstance(value, tuple) and value and isinstance(value[0], Component):
        return [_component(c, remark) for c in value]
    if isinstance(value, dict) and any(isinstance(v, Component) for v in value.values()):
        return {name: _component(c, remark) for name, c in value.items()}
    return Leaf(str(value) if isinstance(value, Path) else value, remark)


def _component(component: Component, remark: str = "") -> Any:
    arguments = {name: _value(a) for name, a in component.arguments.items()}
    return {component.name: arguments} if arguments else Leaf(component.name, remark)
