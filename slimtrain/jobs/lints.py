"""Warnings: what a config says that will not do what its author expects."""

from slimtrain.config.document import Document, in_order
from slimtrain.config.records import Component, LayerPlan
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network

STALE = 0.05
"""Share of the start that may be left in moving statistics at the end of training."""


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


def slow_statistics(document: Document, steps: int) -> list[Problem]:
    """Batch norms whose moving statistics would still be largely their start after `steps` steps.

    After n steps a moving average of decay d is still d^n its start; more than STALE of it is a warning.
    """
    found = []
    for layer in document.plan.layers():
        for component, where in _with_normalizer(layer):
            decay, mode = component.arguments.get("decay"), component.arguments.get("is_training")
            if component.name != "batch_norm" or decay is None or (mode and mode.value is False):
                continue
            if (left := decay.value**steps) > STALE:
                what = f"decay {decay.value:g} leaves {left:.1%} of the start in the statistics after {steps} steps"
                mark = decay.origin.mark or layer.mark
                found.append(Problem(where, what, f"use a decay of {faster(steps):g} or less", mark, "warning"))
    return found


def faster(steps: int) -> float:
    """The largest decay of 0.999, 0.995, 0.99, ... that leaves at most STALE of the start after `steps` steps."""
    choices = (0.9999, 0.9995, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5)
    return next((d for d in choices if d**steps <= STALE), 0.0)


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
    if (normalizer := layer.normalizer) is not None:
        found.append((normalizer, f"{normalizer.name} in '{layer.path}'"))
    return found
