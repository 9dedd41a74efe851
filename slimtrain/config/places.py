"""Where an item stands in a model: its full path, its words resolved, the end points that it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from slimtrain.config.arguments import Env, Resolver
from slimtrain.config.catalog import normalizer_scope
from slimtrain.config.names import Names, nearest, under
from slimtrain.config.nodes import Node
from slimtrain.config.records import Argument, Component, Words
from slimtrain.config.scopes import Scopes
from slimtrain.errors import Mark, Problem, did_you_mean


@dataclass(frozen=True)
class Builder:
    """What building shares: named scopes and blocks; names, end points and items so far; the resolver."""

    scopes: Scopes
    blocks: Mapping[str, Node]
    resolver: Resolver
    names: Names = field(default_factory=Names)
    points: dict[str, Mark] = field(default_factory=dict)
    items: list[Mark] = field(default_factory=list)

    def problem(self, where: str, what: str, hint: str = "", mark: Mark | None = None) -> None:
        self.resolver.problem(where, what, hint, mark)


@dataclass(frozen=True)
class Place:
    """Where an item stands: scope path, arg scopes, whether variables are shared, the blocks around."""

    path: str
    env: Env
    reuse: bool = False
    inside: tuple[str, ...] = ()


def path_of(
    builder: Builder, place: Place, arguments: Mapping[str, Argument], default: str, label: str, mark: Mark
) -> str:
    """The item's full scope path, opened; '' for an item without a scope."""
    scope = arguments["scope"].value if "scope" in arguments else None
    default = arguments["default_scope"].value or default if "default_scope" in arguments else default
    reuse = bool(arguments["reuse"].value) if "reuse" in arguments else False
    if scope is None:
        if reuse:
            builder.problem(label, "reuse without a scope", "name the scope to share: 'scope: NAME'", mark)
        path = builder.names.unique(place.path, default) if default else ""
    else:
        path = under(place.path, scope)
        _checked_scope(builder, path, reuse, place, label, arguments["scope"].origin.mark or mark)
    if path:
        builder.names.open(path, mark)
    return path


def _checked_scope(builder: Builder, path: str, reuse: bool, place: Place, label: str, mark: Mark) -> None:
    first = builder.names.first.get(path)
    if first is not None and not (reuse or place.reuse):
        hint = "add 'reuse: true' to share its variables, or give it another scope"
        builder.problem(label, f"scope '{path}' is taken at {first}", hint, mark)
    if first is None and reuse:
        hint = did_you_mean(path, builder.names.first) or "the first use goes without 'reuse'"
        builder.problem(label, f"nothing to reuse: no earlier scope '{path}'", hint, mark)


def words_of(builder: Builder, place: Place, arguments: Mapping[str, Argument], label: str, mark: Mark) -> Words:
    value = {name: argument.value for name, argument in arguments.items()}
    names = value.get("inputs") or ()
    inputs = tuple(_input(builder, place, n, label, arguments["inputs"].origin.mark or mark) for n in names)
    return Words(
        inputs=inputs,
        alias=value.get("alias") or (),
        reuse=bool(value.get("reuse")),
        outputs_collections=value.get("outputs_collections") or (),
        variables_collections=value.get("variables_collections") or (),
        trainable=value.get("trainable") is not False,
        remat=bool(value.get("remat")),
        arguments=arguments,
    )


def _input(builder: Builder, place: Place, name: str, label: str, mark: Mark) -> str:
    found = nearest(name, place.path, builder.points)
    if found is None:
        hint = did_you_mean(name, builder.points) or "inputs are earlier end points; 'slimtrain inspect' lists them"
        builder.problem(label, f"inputs: no earlier end point '{name}'", hint, mark)
    return found or name


def register(builder: Builder, path: str, words: Words, normalizer: Argument | None, mark: Mark) -> None:
    if normalizer is not None and isinstance(normalizer.value, Component):
        explicit = normalizer.value.value("scope")
        inner = normalizer_scope(builder.resolver.catalog, normalizer.value.name, explicit)
        builder.points[under(path, inner)] = mark
    for name in (path, *words.alias):
        if name:
            builder.points[name] = mark


def unconsumed(builder: Builder) -> list[Problem]:
    """Warnings for scope entries that no layer took a value from."""
    unused = {m: text for m, text in builder.scopes.declared.items() if m not in builder.resolver.consumed}
    hint = "no layer of these ops stands inside it, or all set the argument themselves"
    return [Problem("arg_scope", f"{text} is never used", hint, mark, "warning") for mark, text in unused.items()]
