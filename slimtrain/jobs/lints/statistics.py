"""Batch norm's statistics: updates that nothing applies, averages that are too slow, modes that are pinned."""

from collections.abc import Iterable

from slimtrain.config.document import Document
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.lints.settings import by_setting, listed, taken, warning
from slimtrain.net.scope import Update

STALE = 0.05
"""Share of the start that may be left in moving statistics at the end of training."""


def unapplied_updates(document: Document, net: Network) -> list[Problem]:
    """Statistics whose updates stand in collections that the train step does not apply: they stay as they start."""
    groups: dict[tuple[str, ...], list[Update]] = {}
    for update in net.declaration.updates:
        if update.collections is not None and not _applied(document, update):
            groups.setdefault(update.collections, []).append(update)
    return [_unapplied(document, collections, group) for collections, group in groups.items()]


def _unapplied(document: Document, collections: tuple[str, ...], group: list[Update]) -> Problem:
    owners = _owners(group)
    told = f"which train.update_ops {list(document.train.update_ops)} does not apply: the statistics will not move"
    what = f"its updates stand in {list(collections)}, {told}"
    many = f" (so in {listed(owners, 'batch norms')})" if len(owners) > 1 else ""
    hint = f"set train.update_ops: [{', '.join(collections)}]" if collections else "name a collection"
    return Problem(group[0].where, what + many, hint, group[0].mark, "warning")


def moving(document: Document, net: Network) -> list[str]:
    """The scopes whose statistics a train step moves, in order."""
    return _owners(u for u in net.declaration.updates if _applied(document, u))


def normalizing(net: Network) -> list[str]:
    """The scopes that take statistics from a training batch, in order."""
    return _owners(net.declaration.updates)


def _applied(document: Document, update: Update) -> bool:
    return update.collections is None or bool(set(document.train.update_ops) & set(update.collections))


def _owners(updates: Iterable[Update]) -> list[str]:
    """The scopes that updates belong to; zero-debias keeps shadows of its variables further in."""
    return list(dict.fromkeys(min(u.names, key=len).rpartition("/")[0] for u in updates))


def slow_statistics(document: Document, net: Network, steps: int) -> list[Problem]:
    """Batch norms whose moving statistics would still be largely their start after `steps` steps.

    After n updates a moving average of decay d is still d^n its start; more than STALE of it is a warning.
    """
    updates = steps * document.train.accumulate
    scopes = set(moving(document, net))
    norms = [t for t in taken(document, "decay") if t.place.path in scopes and t.place.component.name == "batch_norm"]
    found = []
    for group in by_setting(t for t in norms if STALE < t.argument.value**updates < 1):
        decay = group[0].argument.value
        what = f"decay {decay:g} leaves {decay**updates:.1%} of the start in the statistics after {steps} steps"
        found.append(warning(group, what, f"use a decay of {faster(updates):g} or less"))
    return found


def faster(updates: int) -> float:
    """The largest decay of 0.999, 0.995, 0.99, ... that leaves at most STALE of the start after so many updates."""
    choices = (0.9999, 0.9995, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5)
    return next((d for d in choices if d**updates <= STALE), 0.0)


def pinned_training(document: Document) -> list[Problem]:
    """Layers that `is_training: true` pins: they would train in an evaluation."""
    what = "is_training: true is pinned, so it trains in this evaluation too"
    hint = "remove it: the mode follows the command"
    pinned = [t for t in taken(document, "is_training") if t.argument.value is True]
    return [warning(group, what, hint) for group in by_setting(pinned)]
