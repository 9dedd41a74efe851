"""Layers that are not trained while the statistics of their batch norms still move."""

from itertools import takewhile

from slimtrain.config.document import Document
from slimtrain.config.records import Argument, LayerPlan
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.lints.settings import Place, Taken, by_setting, listed, places, several
from slimtrain.jobs.lints.statistics import moving

SHOWN = 4
"""How many patterns a cure names."""


def moving_while_frozen(document: Document, net: Network, trained: frozenset[str]) -> list[Problem]:
    """Batch norms in layers that `trainable: false` or `train.variables_to_train` keeps from training."""
    scopes = set(moving(document, net))
    norms = [p for p in places(document) if p.path in scopes]
    found = [Taken(p, argument) for p in norms if (argument := _switch(p)) is not None]
    switched = {t.place.path for t in found}
    rest = [p for p in norms if p.path not in switched]
    by_switch = [_by_switch(group, net, trained) for group in by_setting(found)]
    return by_switch + _left_out(document, net, trained, rest)


def _switch(place: Place) -> Argument | None:
    """The `trainable: false` that a normalizer stands under: its own, its layer's, or that of a block around."""
    own = [] if place.alone else [place.component.arguments]
    around = [g.words.arguments for g in reversed(place.groups)]
    settings = [a["trainable"] for a in (*own, place.layer.words.arguments, *around) if "trainable" in a]
    return next((s for s in settings if s.value is False), None)


def _by_switch(group: list[Taken], net: Network, trained: frozenset[str]) -> Problem:
    norms = list(dict.fromkeys(t.place.path for t in group))
    layers = {t.place.layer.path: t.place.layer for t in group}
    names = {n for layer in layers.values() for n in _variables(net, layer)}
    what = f"false keeps {_share(names, trained)} as they are, but not the statistics of {_norms(norms)}"
    mark = group[0].argument.origin.mark
    return Problem("trainable", what, _cure(list(layers), trained), mark, "warning")


def _left_out(document: Document, net: Network, trained: frozenset[str], norms: list[Place]) -> list[Problem]:
    """A problem for the batch norms of layers that `variables_to_train` has nothing of."""
    setting = document.sections["train"]["variables_to_train"]
    frozen = [p for p in norms if _untrained(document, net, trained, p)]
    if setting.value is None or not frozen:
        return []
    names = {n for n, spec in net.declaration.specs.items() if not spec.statistic}
    paths = list(dict.fromkeys(p.path for p in frozen))
    what = f"keeps {_share(names, trained)} as they are, but not the statistics of {_norms(paths)}"
    hint = _cure([p.layer.path for p in frozen], trained)
    return [Problem("train.variables_to_train", what, hint, setting.origin.mark, "warning")]


def _untrained(document: Document, net: Network, trained: frozenset[str], place: Place) -> bool:
    """Whether nothing of its layer is trained; of a layer of its own, nor of the layer with weights before it."""
    names = _variables(net, place.layer)
    if place.alone:
        before = list(takewhile(lambda layer: layer is not place.layer, document.plan.layers()))
        names |= next((n for layer in reversed(before) if (n := _variables(net, layer))), set())
    return bool(names) and not names & trained


def _variables(net: Network, layer: LayerPlan) -> set[str]:
    """What a layer could train."""
    specs = net.declaration.specs
    return {n for n, spec in specs.items() if not spec.statistic and n.startswith(f"{layer.path}/")}


def _share(names: set[str], trained: frozenset[str]) -> str:
    return f"{len(names - trained):,} of {several(len(names), 'variable')}"


def _norms(paths: list[str]) -> str:
    return f"{listed(paths, 'batch norms')}, which still move"


def _cure(paths: list[str], trained: frozenset[str]) -> str:
    patterns = list(dict.fromkeys(_widest(path, trained) for path in paths))
    shown = ", ".join(patterns[:SHOWN]) + (", ..." if len(patterns) > SHOWN else "")
    return f"train.freeze: [{shown}] stops weights and statistics"


def _widest(path: str, trained: frozenset[str]) -> str:
    """The outermost scope around a layer that holds nothing that is trained; the layer's own if there is none."""
    parts = path.split("/")
    scopes = ("/".join(parts[:n]) for n in range(1, len(parts)))
    return next((s for s in scopes if not any(name.startswith(f"{s}/") for name in trained)), path)
