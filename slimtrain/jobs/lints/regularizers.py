"""Regularizers that train nothing: their variables are not made, are shared or stand still, or nothing sums them."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from slimtrain.config.document import Document
from slimtrain.config.records import Argument, Component
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.lints.biases import normalized
from slimtrain.jobs.lints.settings import Place, Taken, places, several, unheeded, warning
from slimtrain.net.scope import FROZEN

_VARIABLES = {
    "weights_regularizer": ("weights", "depthwise_weights", "pointwise_weights"),
    "biases_regularizer": ("biases",),
    "regularizer": ("biases",),
}
_SWITCHES = {"beta": "center", "gamma": "scale"}


@dataclass(frozen=True)
class Regularized(Taken):
    """A regularizer as an op took it, and the variables it is for; `holds` is the one that their first use has."""

    label: str
    regularizer: Component
    names: tuple[str, ...]
    holds: Component | None


def unsummed(document: Document, net: Network) -> list[Problem]:
    """Regularizers of a config that has an optimizer but no losses, so that nothing is minimized."""
    names = [n for n, spec in net.declaration.specs.items() if spec.regularizer]
    if document.losses or document.optimizer is None or not names:
        return []
    what = f"there are none, so nothing sums the regularizers of {several(len(names), 'variable')}"
    hint = "add 'losses: [sparse_softmax_cross_entropy]'"
    return [Problem("losses", what, hint, document.optimizer.mark, "warning")]


def idle_regularizers(document: Document, net: Network, trained: frozenset[str]) -> list[Problem]:
    """Regularizers whose variables are not made, have an earlier use's regularizer, or are not trained.

    Those that `train.freeze` names are meant to be constant.
    """
    found = list(regularized(document, net))
    meant = trained | {n for n, spec in net.declaration.specs.items() if FROZEN in spec.collections}
    problems = []
    for label in dict.fromkeys(r.label for r in found):
        settings = [r for r in found if r.label == label]
        for group in unheeded(settings, lambda r: _absent(r) or _shared(r) or _constant(r, meant)):
            if not all(normalized(net, r) for r in group) or label != "biases_regularizer":  # those are ignored_biases
                problems.append(_problem(group, net))
    return problems


def regularized(document: Document, net: Network) -> Iterator[Regularized]:
    """Every regularizer that adds a term, with the one that its variables have from their first use."""
    first: dict[str, Component | None] = {}
    for place in places(document):
        for label, argument, regularizer, names in _arguments(place, net):
            for name in names:
                first.setdefault(name, regularizer)
            if regularizer is not None and any(a.value for a in regularizer.arguments.values()):  # scale 0 adds none
                yield Regularized(place, argument, label, regularizer, names, first[names[0]] if names else None)


def _arguments(place: Place, net: Network) -> Iterator[tuple[str, Argument, Component | None, tuple[str, ...]]]:
    """(label, argument, regularizer, variables made) for each kind of variable that an op regularizes."""
    for name, argument in place.component.arguments.items():
        if name == "param_regularizers":
            for variable in _SWITCHES:
                given = (argument.value or {}).get(variable)
                yield f"{name} of {variable}", argument, given, _made(place, net, (variable,))
        elif name in _VARIABLES:
            yield name, argument, argument.value, _made(place, net, _VARIABLES[name])


def _made(place: Place, net: Network, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(full for n in names if (full := f"{place.path}/{n}") in net.declaration.specs)


def _absent(one: Regularized) -> tuple[str, str] | None:
    """What keeps the variable from being made, and the cure; None where it is made or that is not known (a plug-in)."""
    arguments = one.place.component.arguments
    variable = one.label.rpartition(" ")[2]
    switch = arguments.get(_SWITCHES.get(variable, "biases_initializer"))
    if one.names or switch is None or one.label == "weights_regularizer":
        return None
    if variable in _SWITCHES:
        told = f"{_SWITCHES[variable]} is false, so there is no {variable}", f"set {_SWITCHES[variable]}: true"
        return told if switch.value is False else None
    without = switch.value is None or one.place.layer.normalizer is not None
    return ("there are no biases", "give a biases_initializer") if without else None


def _shared(one: Regularized) -> bool:
    """Whether the variables were made by an earlier use, with another regularizer or none."""
    return bool(one.names) and _written(one.regularizer) != _written(one.holds)


def _written(regularizer: Component | None) -> Any:
    return regularizer and (regularizer.name, {n: a.value for n, a in regularizer.arguments.items()})


def _constant(one: Regularized, trained: frozenset[str]) -> bool:
    return bool(one.names) and not trained & set(one.names)


def _problem(group: list[Regularized], net: Network) -> Problem:
    """What is wrong with a setting, as its first layer has it."""
    first = group[0]
    names = list(dict.fromkeys(n for r in group for n in r.names))
    if absent := _absent(first):
        return warning(group, f"'{first.label}' is never summed: {absent[0]}", f"remove it, or {absent[1]}")
    if _shared(first):
        made = net.declaration.specs[names[0]].origin
        holds = f"with '{first.holds.name}'" if first.holds else "without one"
        what = f"'{first.label}' is never summed: '{names[0]}' was made at {made} {holds}, and its first use holds"
        return warning(group, what, "write it at the first use")
    values = several(sum(prod(net.declaration.specs[n].shape) for n in names), "value")
    told = f"nothing of its {several(len(names), 'variable')} ({values}) is trained"
    what = f"'{first.label}' only adds a constant to the loss: {told}"
    return warning(group, what, "set it to null there, or read the loss less that constant")
