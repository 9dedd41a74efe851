"""Weights that a net cannot take: all of them by scope, with the nearest names and what to do."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from slimtrain.errors import Problem, did_you_mean
from slimtrain.net.scope import VarSpec

_LINES_MOST = 10


@dataclass(frozen=True)
class _Misfit:
    """A variable that does not fit; `head` is (classes there, classes here) where only the last dimension differs."""

    name: str
    what: str
    missing: bool = False
    head: tuple[int, int] | None = None

    @property
    def scope(self) -> str:
        """The scope that the variable stands in; its own name where it stands in none."""
        return self.name.rpartition("/")[0] or self.name


def misfits(
    specs: Mapping[str, VarSpec], given: Mapping[str, Any], source: str, cure: Callable[[Sequence[str]], str]
) -> list[Problem]:
    """What is wrong with these arrays for these variables, in few lines; nothing where all fit.

    Args:
        specs: the variables.
        given: the arrays by name; others among them are left.
        source: where they are from.
        cure: how to leave out variables of these scopes; '' where they cannot be left out.
    """
    found = [m for spec in specs.values() if (m := _misfit(spec, given))]
    if len(found) == len(specs) and all(m.missing for m in found) and (other := _other_root(specs, given)):
        return [Problem(source, *other)]
    free = [name for name in given if name not in specs]
    lines = [_line(source, scope, group, free) for scope, group in _grouped(found).items()]
    return _with_cure(lines, source, found, specs, cure)


def _with_cure(
    lines: list[Problem],
    source: str,
    found: Sequence[_Misfit],
    specs: Mapping[str, VarSpec],
    cure: Callable[[Sequence[str]], str],
) -> list[Problem]:
    """The lines, and what to do about all of them: in a line of its own, except where there is one only."""
    scopes = _outermost({m.scope for m in found})
    told = cure(scopes) if 0 < len(scopes) <= _LINES_MOST else "is it of this net?" if scopes else ""
    if not told:
        return lines
    if len(lines) == 1 and not all(m.head for m in found):
        return [replace(lines[0], hint=" or ".join(filter(None, [lines[0].hint, told])))]
    return [*lines, Problem(source, _together(found, specs), told)]


def _misfit(spec: VarSpec, given: Mapping[str, Any]) -> _Misfit | None:
    name = spec.name
    if name not in given:
        return _Misfit(name, f"has no '{name}'", missing=True)
    array = np.asarray(given[name])
    if array.shape != spec.shape:
        what = f"'{name}' has shape {list(array.shape)} there, {list(spec.shape)} in this net"
        head = bool(spec.shape) and array.ndim == len(spec.shape) and array.shape[:-1] == spec.shape[:-1]
        return _Misfit(name, what, head=(array.shape[-1], spec.shape[-1]) if head else None)
    if not np.issubdtype(array.dtype, np.number):
        return _Misfit(name, f"'{name}' holds no numbers")
    return None


def _grouped(found: Iterable[_Misfit]) -> dict[str, list[_Misfit]]:
    """The misfits by scope: the innermost ones where those are few, else as many levels of them as give few."""
    found = list(found)
    deepest = max((m.scope.count("/") + 1 for m in found), default=0)
    for depth in range(deepest, -1, -1):
        groups: dict[str, list[_Misfit]] = {}
        for one in found:
            groups.setdefault("/".join(one.scope.split("/")[:depth]), []).append(one)
        if len(groups) <= _LINES_MOST:
            return groups
    return {"": found}


def _line(source: str, scope: str, group: Sequence[_Misfit], free: Iterable[str]) -> Problem:
    first, more = group[0], len(group) - 1
    rest = f" (and {more} more{f' in {scope}/' if scope else ''})" if more else ""
    return Problem(source, first.what + rest, did_you_mean(first.name, free) if first.missing else "")


def _together(found: Sequence[_Misfit], specs: Mapping[str, VarSpec]) -> str:
    """What the misfits have in common."""
    classes = {m.head for m in found if m.head}
    if len(classes) == 1 and all(m.head for m in found):
        there, here = next(iter(classes))
        return f"looks like a net of {there} classes, where this one has {here}"
    return f"{len(found)} of {len(specs)} variables do not fit"


def _outermost(scopes: Iterable[str]) -> list[str]:
    """The scopes that lie in no other of them, by name."""
    kept: list[str] = []
    for scope in sorted(scopes):
        if not any(scope.startswith(f"{above}/") for above in kept):
            kept.append(scope)
    return kept


def _other_root(specs: Iterable[str], given: Iterable[str]) -> tuple[str, str] | None:
    """(what, hint) where the names are the same but for the first scope, of the one, the other, or both."""
    here, there = _root(specs), _root(given)
    for mine, its in ((here, there), ("", there), (here, "")):
        below = _below(mine, specs)
        if mine != its and 2 * len(below & _below(its, given)) > len(below):
            what = f"its variables stand under {_told(its)}, this net's under {_told(mine)}"
            return what, f"set model.scope={its}" if its else "take model.scope away"
    return None


def _told(root: str) -> str:
    return f"'{root}/'" if root else "no scope"


def _root(names: Iterable[str]) -> str:
    """The first scope of most names, if there is one."""
    firsts = Counter(name.partition("/")[0] for name in names)
    first, number = firsts.most_common(1)[0] if firsts else ("", 0)
    return first if 2 * number > firsts.total() else ""


def _below(root: str, names: Iterable[str]) -> set[str]:
    """The names that stand under a root scope, without it."""
    start = f"{root}/" if root else ""
    return {name.removeprefix(start) for name in names if name.startswith(start)}
