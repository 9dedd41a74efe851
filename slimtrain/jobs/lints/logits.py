"""What a cross entropy reads: an activation, a normalizer or a single output there makes it another than was meant."""

from collections.abc import Iterator, Sequence
from math import exp, log1p

from slimtrain.config.document import Document
from slimtrain.config.records import Argument, Component, GroupPlan, Item, LayerPlan
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.lints.settings import several
from slimtrain.train.objective import output_name

_SOFTMAX = ("softmax_cross_entropy", "sparse_softmax_cross_entropy")
_CROSS_ENTROPIES = (*_SOFTMAX, "sigmoid_cross_entropy")
_SQUASHING = ("softmax", "sigmoid")
_RESHAPING = ("flatten", "reshape", "squeeze")


def odd_logits(document: Document, net: Network) -> list[Problem]:
    """Cross entropies of probabilities, of logits cut at 0 or normalized, and of a single output."""
    read = ends(document)
    found: list[Problem] = []
    for loss in (c for c in document.losses if c.name in _CROSS_ENTROPIES):
        outputs, layer = number_of_outputs(loss, net), read.get(output_name(loss) or "__output__")
        found += _single(loss, outputs)
        if layer is not None:
            found += [*_squashed(loss, layer, outputs), *_cut(loss, layer, outputs), *_normalized(loss, layer, outputs)]
    return found


def number_of_outputs(loss: Component, net: Network) -> int:
    """The length of the last axis of what a loss reads; 0 where there is no such end point."""
    name = output_name(loss) or "__output__"
    return next((e.shape[-1] for e in net.declaration.end_points if e.name == name and e.shape), 0)


def ends(document: Document) -> dict[str, LayerPlan]:
    """The layer that each end point's values come from; layers that only reshape are looked through."""
    found = dict(_ends(document.plan.items))
    last = _end(document.plan.items)
    return found | ({"__output__": last} if last else {})


def _ends(items: Sequence[Item]) -> Iterator[tuple[str, LayerPlan]]:
    for number, item in enumerate(items, 1):
        for branch in item.branches if isinstance(item, GroupPlan) else ():
            yield from _ends(branch)
        layer = _end(items[:number], tap=True)
        if layer is not None:
            yield from ((name, layer) for name in (item.path, *item.words.alias) if name)


def _end(items: Sequence[Item], tap: bool = False) -> LayerPlan | None:
    """The layer that the output of `items` comes from; None where it is not one layer's. `tap`: the last may be one."""
    for item in reversed(items):
        if isinstance(item, GroupPlan) and item.kind == "tap" and not tap:
            continue
        if isinstance(item, GroupPlan):
            return None if item.join else _end([i for branch in item.branches for i in branch])
        if item.op.name not in _RESHAPING or item.words.inputs:
            return item
        tap = False
    return None


def _squashed(loss: Component, layer: LayerPlan, outputs: int) -> Iterator[Problem]:
    """A cross entropy, which applies the softmax or sigmoid itself, of what one of them gave."""
    setting = layer.op.arguments.get("activation_fn")
    name = layer.op.name if layer.op.name in _SQUASHING else _activation(setting)
    if name in _SQUASHING:
        floor = log1p((outputs - 1) / exp(1)) if loss.name in _SOFTMAX else log1p(exp(-1))
        floor *= loss.value("weight") * min(loss.value("class_weights") or (1.0,))
        which = "an example" if loss.name in _SOFTMAX else "a positive label"
        what = f"'{layer.path}' already gives probabilities, by {name}: {which}'s loss cannot fall below {floor:.4f}"
        yield _problem(loss, layer, setting, what, "take the activation away: the loss applies its own")


def _cut(loss: Component, layer: LayerPlan, outputs: int) -> Iterator[Problem]:
    """Logits that a default or a scope cut at 0."""
    setting = layer.op.arguments.get("activation_fn")
    meant = layer.op.name == "activation" or setting is None or setting.origin.kind == "call"
    if not meant and (name := _activation(setting)) in ("relu", "relu6"):
        what = f"{name} cuts the {several(outputs, 'logit')} of '{layer.path}' at 0, where they get no gradient"
        yield _problem(loss, layer, setting, what, f"set activation_fn: null for '{layer.path}'")


def _normalized(loss: Component, layer: LayerPlan, outputs: int) -> Iterator[Problem]:
    """Logits that a scope has normalized."""
    setting = layer.op.arguments.get("normalizer_fn")
    if setting is not None and layer.normalizer is not None and setting.origin.kind == "scope":
        logits = f"the {several(outputs, 'logit')} of '{layer.path}'"
        what = f"{layer.normalizer.name} normalizes {logits} to mean 0 and variance 1"
        yield _problem(loss, layer, setting, what, f"set normalizer_fn: null for '{layer.path}'")


def _single(loss: Component, outputs: int) -> Iterator[Problem]:
    if outputs == 1 and loss.name in _SOFTMAX:
        what = "reads 1 output, whose softmax is always 1: the loss is 0 whatever is learned"
        hint = "use sigmoid_cross_entropy, or num_outputs: the number of classes"
        yield Problem(loss.name, what, hint, loss.mark, "warning")


def _activation(setting: Argument | None) -> str:
    return setting.value.name if setting is not None and isinstance(setting.value, Component) else ""


def _problem(loss: Component, layer: LayerPlan, setting: Argument | None, what: str, hint: str) -> Problem:
    mark = (setting.origin.mark if setting else None) or layer.mark
    return Problem(loss.name, what, hint, mark, "warning")
