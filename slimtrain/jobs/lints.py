"""Warnings: what a config says that will not do what its author expects."""

from slimtrain.config.document import Document, in_order
from slimtrain.config.records import Component, LayerPlan
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network


def warnings_of(document: Document, net: Network, evaluating: bool = False) -> list[Problem]:
    """All warnings on a document and its network, by place; those on pinned training mode only where it evaluates."""
    found = [*document.warnings, *net.declaration.warnings, *unapplied_updates(document, net)]
    return in_order(found + (pinned_training(document) if evaluating else []))


def unapplied_updates(document: Document, net: Network) -> list[Problem]:
    """Statistics whose updates stand in collections that the train step does not apply: they stay as they start."""
    applied = set(document.train.update_ops)
    told = f"which train.update_ops {list(document.train.update_ops)} does not apply: the statistics will not move"
    problems = []
    for update in net.declaration.updates:
        if update.collections is not None and not applied & set(update.collections):
            what = f"its updates stand in {list(update.collections)}, {told}"
            hint = (
                f"set train.update_ops: [{', '.join(update.collections)}]"
                if update.collections
                else "name a collection"
            )
            problems.append(Problem(update.where, what, hint, update.mark, "warning"))
    return list(dict.fromkeys(problems))


def pinned_training(document: Document) -> list[Problem]:
    """Layers that `is_training: true` pins: they would train in an evaluation."""
    found = []
    for layer in document.plan.layers():
        for component, where in _with_normalizer(layer):
            mode = component.arguments.get("is_training")
            if mode is not None and mode.value is True:
                what = "is_training: true is pinned, so it trains in this evaluation too"
                hint = "remove it: the mode follows the command"
                mark = mode.origin.mark or layer.mark
                found.append(Problem(where, what, hint, mark, "warning"))
    return found


def _with_normalizer(layer: LayerPlan) -> list[tuple[Component, str]]:
    found = [(layer.op, f"{layer.op.name} '{layer.path}'")]
    normalizer = layer.op.arguments.get("normalizer_fn")
    if normalizer is not None and isinstance(normalizer.value, Component):
        found.append((normalizer.value, f"{normalizer.value.name} in '{layer.path}'"))
    return found
