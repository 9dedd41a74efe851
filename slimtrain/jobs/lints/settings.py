"""Settings of a plan and the layers that took them: warnings are grouped by setting, so that one cause is told once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from slimtrain.config.catalog import Catalog, normalizer_scope
from slimtrain.config.document import Document
from slimtrain.config.names import under
from slimtrain.config.records import Argument, Component, GroupPlan, Item, LayerPlan
from slimtrain.errors import Mark, Problem


@dataclass(frozen=True)
class Place:
    """A component where it stands: a layer's op, or the normalizer inside it.

    `path` is the scope of its own variables; `groups` are the items around the layer, the outermost first.
    """

    layer: LayerPlan
    component: Component
    path: str
    groups: tuple[GroupPlan, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether it is the layer's op, not a normalizer inside it."""
        return self.component is self.layer.op

    @property
    def where(self) -> str:
        """As warnings name it."""
        return f"{self.component.name} '{self.path}'" if self.alone else f"{self.component.name} in '{self.layer.path}'"


@dataclass(frozen=True)
class Taken:
    """A setting as one component took it."""

    place: Place
    argument: Argument


T = TypeVar("T", bound=Taken)


def places(document: Document) -> list[Place]:
    """Every op and every normalizer inside one, in order of creation."""
    found = []
    for layer, groups in _layers(document.plan.items, ()):
        found.append(Place(layer, layer.op, layer.path, groups))
        if layer.normalizer is not None:
            path = _normalizer_path(document.catalog, layer, layer.normalizer)
            found.append(Place(layer, layer.normalizer, path, groups))
    return found


def _layers(items: Iterable[Item], groups: tuple[GroupPlan, ...]) -> Iterator[tuple[LayerPlan, tuple[GroupPlan, ...]]]:
    for item in items:
        if isinstance(item, LayerPlan):
            yield item, groups
        else:
            for branch in item.branches:
                yield from _layers(branch, (*groups, item))


def _normalizer_path(catalog: Catalog, layer: LayerPlan, normalizer: Component) -> str:
    return under(layer.path, normalizer_scope(catalog, normalizer.name, normalizer.value("scope")))


def taken(document: Document, name: str) -> list[Taken]:
    """The argument `name` of every op and normalizer that has it, wherever it was set."""
    return [Taken(p, p.component.arguments[name]) for p in places(document) if name in p.component.arguments]


def by_setting(found: Iterable[T]) -> list[list[T]]:
    """Those that took the same setting together; all that took the default are one group."""
    groups: dict[Mark | None, list[T]] = {}
    for one in found:
        groups.setdefault(one.argument.origin.mark, []).append(one)
    return list(groups.values())


def unheeded(found: Iterable[T], idle: Callable[[T], object]) -> list[list[T]]:
    """The settings that do nothing in any of the layers that took them."""
    return [group for group in by_setting(found) if all(map(idle, group))]


def as_default(argument: Argument) -> bool:
    """Whether an argument was left at its default, or set to what that says anyway."""
    origin, written = argument.chain[0]
    return origin.kind == "default" and argument.chain[-1][1] == written


def warning(group: Sequence[Taken], what: str, hint: str) -> Problem:
    """A warning on a setting, at its place; it names the one layer that took it, or counts them."""
    first = group[0]
    by_scope = first.argument.origin.kind == "scope"
    paths = list(dict.fromkeys(t.place.layer.path for t in group))
    told = f" (in {listed(paths, 'layers')})" if by_scope or len(paths) > 1 else ""
    mark = first.argument.origin.mark or first.place.layer.mark
    return Problem("arg_scope" if by_scope else first.place.where, what + told, hint, mark, "warning")


def listed(paths: list[str], things: str) -> str:
    """`'conv1'`, or `12 layers, 'conv1' the first`."""
    return f"{len(paths):,} {things}, '{paths[0]}' the first" if len(paths) > 1 else f"'{paths[0]}'"


def several(number: int, thing: str, things: str = "") -> str:
    """`1 value`, `1,024 values`; `things` is the plural where it is no 's'."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
