"""Whole numbers where a fraction is meant: a scale of 1, a decay of 1."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from slimtrain.config.document import Document
from slimtrain.config.records import Argument, Component
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.lints.logits import number_of_outputs
from slimtrain.jobs.lints.regularizers import regularized
from slimtrain.jobs.lints.settings import Taken, by_setting, several, taken, warning
from slimtrain.jobs.lints.statistics import normalizing

_FORGETS_NOTHING = "no gradient is ever forgotten: a step goes by the sum of all before it"
_DIVIDES_BY_0 = "the correction of its start is 1 - 1, and every step divides by it"
_OPTIMIZERS = {
    ("momentum", "momentum"): _FORGETS_NOTHING,
    ("rmsprop", "momentum"): _FORGETS_NOTHING,
    ("rmsprop", "decay"): "the mean square of the gradients stays at its start, 1",
    ("adadelta", "rho"): "the mean squares of gradients and steps stay at their start, 0",
    **{(name, beta): _DIVIDES_BY_0 for name in ("adam", "adamw", "nadam", "lamb") for beta in ("beta1", "beta2")},
}
"""What an argument of 1 does to an optimizer."""


def whole_numbers(document: Document, net: Network) -> list[Problem]:
    """Whole numbers that TF-Slim refuses, and ones that are almost surely slips."""
    return [*_scales(document, net), *_averages(document, net), *_optimizer(document), *_smoothing(document, net)]


@dataclass(frozen=True)
class _Scale(Taken):
    """A regularizer's scale as an op took it, and the variables that it is for."""

    kind: str
    names: tuple[str, ...]


def _scales(document: Document, net: Network) -> Iterator[Problem]:
    """Scales of regularizers that are written as whole numbers."""
    found = list(regularized(document, net))
    for name in ("scale", "scale_l1", "scale_l2"):
        given = [(r, r.regularizer.arguments[name]) for r in found if r.names and name in r.regularizer.arguments]
        whole = [_Scale(r.place, a, r.regularizer.name, r.names) for r, a in given if _whole(a)]
        for group in by_setting(whole):
            values = sum(prod(net.declaration.specs[n].shape) for n in {n for s in group for n in s.names})
            yield warning(group, *_refused(name, group[0], several(values, "value")))


def _whole(argument: Argument) -> bool:
    """Whether it is written as a whole number other than 0."""
    return type(argument.chain[-1][1]) is int and argument.value != 0


def _refused(name: str, scale: _Scale, values: str) -> tuple[str, str]:
    factor = scale.argument.value
    added = "their signs" if "l1" in (scale.kind, name.removeprefix("scale_")) else "the values"
    grow = f"the gradients of {values} grow by {factor:g} times {added}"
    what = f"{scale.kind}: {name} {factor:g} is a whole number, which TF-Slim refuses: {grow}"
    return what, f"write {factor:.1f} if you mean it; 1.0e-4 is usual"


def _averages(document: Document, net: Network) -> Iterator[Problem]:
    """Decays of 1, by which no statistic ever moves."""
    scopes = set(normalizing(net))
    for name, whose in (("decay", "the statistics"), ("renorm_decay", "renorm's statistics")):
        used = [t for t in taken(document, name) if t.place.path in scopes and _averages_by(t.place.component, name)]
        for group in by_setting(t for t in used if t.argument.value == 1):
            what = f"{name} 1 keeps {whose} at their start: each step moves them by 0% of the way"
            yield warning(group, what, "write a decay below 1, or is_training: false to freeze them")


def _averages_by(component: Component, name: str) -> bool:
    return component.name == "batch_norm" and (name == "decay" or bool(component.value("renorm")))


def _optimizer(document: Document) -> Iterator[Problem]:
    """Decays of 1 in the optimizer."""
    optimizer = document.optimizer
    if optimizer is None:
        return
    for name, argument in optimizer.arguments.items():
        if argument.value == 1 and (does := _OPTIMIZERS.get((optimizer.name, name))):
            yield _problem(f"optimizer {optimizer.name}", f"{name} 1: {does}", "write 0.9, say", argument)


def _smoothing(document: Document, net: Network) -> Iterator[Problem]:
    """Labels that are smoothed until nothing is left of them."""
    for loss in document.losses:
        smoothing = loss.arguments.get("label_smoothing")
        if smoothing is not None and smoothing.value == 1:
            values = 2 if loss.name == "sigmoid_cross_entropy" else number_of_outputs(loss, net)
            what = f"label_smoothing 1 makes every label {1 / max(values, 1):g}: nothing is left of the data's"
            yield _problem(loss.name, what, "write 0.1, say", smoothing)


def _problem(where: str, what: str, hint: str, argument: Argument) -> Problem:
    return Problem(where, what, hint, argument.origin.mark, "warning")
