"""Arguments of registered functions: default, arg scopes and call put together, each value checked in place.

TF-Slim's rule (arg_scope): the call beats the inner scope beats the outer scope beats the function's default;
values are replaced, never merged; null is a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slimtrain.config import values
from slimtrain.config.catalog import LOSS_WORDS, METRIC_WORDS, MISSING, WORDS, Catalog, Definition, Parameter
from slimtrain.config.nodes import Key, Node, plain
from slimtrain.config.records import Argument, Component, Origin, OriginKind
from slimtrain.errors import Mark, Problem, did_you_mean, one_of


@dataclass(frozen=True)
class Setting:
    """A value that an arg scope sets: the node, where it was declared, the outer settings that it hides."""

    node: Node
    mark: Mark
    hidden: "tuple[Setting, ...]" = ()


Env = Mapping[tuple[str, str], Setting]
"""The arg scopes that are active: `(op, argument)` to its innermost setting."""


@dataclass(frozen=True)
class Resolver:
    """What resolving needs: the catalog, where problems go to, the places of the scope entries in use.

    `sizes` are those of the bodies of blocks and scopes that were written out, each with all before it.
    """

    catalog: Catalog
    problems: list[Problem]
    consumed: set[Mark]
    sizes: list[int] = field(default_factory=list)

    def problem(self, where: str, what: str, hint: str = "", mark: Mark | None = None) -> None:
        self.problems.append(Problem(where, what, hint, mark))


@dataclass(frozen=True)
class Call:
    """A function about to be resolved: its name in messages, what the config gives it, the scopes there.

    `kind` says what set the values it is given; `kinds` says it of single arguments where they differ.
    """

    where: str
    given: Mapping[Key, Node]
    mark: Mark
    env: Env
    kind: OriginKind = "call"
    kinds: Mapping[str, OriginKind] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """Where a component stands: its name in messages, the scopes there (they reach normalizers), what set it."""

    where: str
    env: Env
    kind: OriginKind = "call"


def resolve(
    resolver: Resolver, definition: Definition, call: Call, extra: Mapping[str, Parameter] | None = None
) -> dict[str, Argument]:
    """Every argument of a function, resolved; problems for unknown, missing and ill-typed ones.

    Args:
        resolver: catalog and lists.
        definition: the function.
        call: what the config gives it.
        extra: further parameters that it takes here (the words of items, a loss's `logits`).
    """
    parameters = {**definition.parameters, **(extra or {})}
    for key in call.given:
        if key not in parameters:
            _unknown(resolver, definition, call, key, parameters)
    found: dict[str, Argument] = {}
    for parameter in parameters.values():
        if not isinstance(parameter.marker, values.ArgumentsOf):
            argument = _argument(resolver, definition, call, parameter)
            if argument is not None:
                found[parameter.name] = argument
    return found


def _unknown(
    resolver: Resolver, definition: Definition, call: Call, key: Key, parameters: Mapping[str, Parameter]
) -> None:
    section = definition.kind == "section"
    own = [*definition.given] if definition.kind in ("block", "join") else []
    own += [n for n in parameters if section or n in definition.parameters or n not in WORDS]
    name = call.where if section else definition.name
    takes = f"({name} takes: {', '.join(own)})" if own else f"({name} takes none)"
    hint = " ".join(filter(None, (did_you_mean(key, {*parameters, *own}), takes)))
    resolver.problem(call.where, f"unknown {'key' if section else 'argument'} '{key}'", hint, key.mark)


def candidates(definition: Definition, call: Call, name: str) -> list[tuple[Origin, Node]]:
    """All that set an argument in the config, the winner last: outer scopes, inner scopes, the call."""
    found = []
    setting = call.env.get((definition.name, name))
    if setting is not None:
        found += [(_origin("scope", s.mark, s.node), s.node) for s in (*setting.hidden, setting)]
    if name in call.given:
        given = next(k for k in call.given if k == name)
        node = call.given[given]
        found.append((_origin(call.kinds.get(name, call.kind), given.mark, node), node))
    return found


def _origin(kind: OriginKind, mark: Mark, node: Node) -> Origin:
    return Origin(kind, mark, node.param, node.mark) if node.param else Origin(kind, mark)


def _argument(resolver: Resolver, definition: Definition, call: Call, parameter: Parameter) -> Argument | None:
    settings = candidates(definition, call, parameter.name)
    chain: list[tuple[Origin, Any]] = [(origin, plain(node)) for origin, node in settings]
    if not parameter.required:
        chain.insert(0, (Origin("default"), parameter.written))
    elif not settings:
        hint = parameter.doc and f"it is: {parameter.doc}"
        resolver.problem(call.where, f"'{parameter.name}' is missing", hint, call.mark)
        return None
    if not settings:
        value = _default(resolver, definition, call, parameter)
        return Argument(value, Origin("default"), tuple(chain))
    origin, node = settings[-1]
    if origin.kind == "scope" and origin.mark:
        resolver.consumed.add(origin.mark)
    value = _converted(resolver, definition, call, parameter, node, origin.kind)
    return Argument(value, origin, tuple(chain))


def _default(resolver: Resolver, definition: Definition, call: Call, parameter: Parameter) -> Any:
    kind = parameter.marker
    if isinstance(kind, values.ComponentOf) and parameter.default is not None:
        node = Node(parameter.written, call.mark)
        return _converted(resolver, definition, call, parameter, node, "default")
    return parameter.default


def _converted(
    resolver: Resolver, definition: Definition, call: Call, parameter: Parameter, node: Node, origin: OriginKind
) -> Any:
    kind = parameter.marker
    if node.value is None and values.takes_null(parameter.annotation):
        return None
    site = Site(f"{call.where}: {parameter.name}", call.env, origin)
    if isinstance(kind, values.ComponentOf):
        return component(resolver, kind.kind, node, site, _inner(resolver, definition, call, kind.kind))
    if isinstance(kind, values.ComponentsOf):
        return components(resolver, kind.kind, node, site)
    if isinstance(kind, values.NamedComponents):
        return _named(resolver, kind, node, site)
    if isinstance(kind, values.PathTo):
        return _path(resolver, kind, node, site.where)
    try:
        return values.check(parameter.annotation, plain(node))
    except ValueError as error:
        resolver.problem(site.where, str(error), mark=node.mark)
        return None


def _inner(resolver: Resolver, definition: Definition, call: Call, kind: str) -> tuple[Origin, Node] | None:
    """The `normalizer_params` that go with a `normalizer_fn`, and what set them."""
    settings = candidates(definition, call, "normalizer_params") if kind == "normalizer" else []
    if settings and settings[-1][0].kind == "scope" and settings[-1][0].mark:
        resolver.consumed.add(settings[-1][0].mark)
    return settings[-1] if settings else None


def _path(resolver: Resolver, kind: values.PathTo, node: Node, where: str) -> Any:
    if node.text:
        return (node.mark.folder / node.text).absolute()
    resolver.problem(where, f"expected a path to a {kind.what}, got {node.what}", mark=node.mark)
    return None


def _named(resolver: Resolver, kind: values.NamedComponents, node: Node, site: Site) -> Any:
    if node.mapping is None:
        resolver.problem(site.where, f"expected a mapping of {one_of(kind.names)}, got {node.what}", mark=node.mark)
        return None
    for key in node.mapping:
        if key not in kind.names:
            resolver.problem(site.where, f"no '{key}' here", f"it takes {one_of(kind.names)}", key.mark)
    return {str(k): component(resolver, kind.kind, v, site) for k, v in node.mapping.items() if k in kind.names}


def component(
    resolver: Resolver, kind: str, node: Node, site: Site, inner: tuple[Origin, Node] | None = None
) -> Component | None:
    """`name`, `{name: {argument: value}}` or `{name: scalar}` as a component of a kind; None after a problem.

    Args:
        resolver: catalog and lists.
        kind: the kind that is wanted.
        node: the component as written; a number is a constant schedule.
        site: where it stands.
        inner: arguments given apart, as `normalizer_params`; they beat those written inside.
    """
    if kind == "schedule" and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        node = Node({Key("constant", node.mark): node}, node.mark)
    name, body = _split(node)
    if name is None or body is None:
        got = f"{len(node.mapping)} keys: {', '.join(node.mapping)}" if node.mapping else node.what
        what = f"expected one {kind}, as a name or {{name: arguments}}, got {got}"
        resolver.problem(site.where, what, mark=node.mark)
        return None
    definition = resolver.catalog.kind(kind).get(str(name))
    if definition is None:
        known = resolver.catalog.kind(kind)
        hint = did_you_mean(name, known) or f"there are {one_of(sorted(known))}"
        resolver.problem(site.where, f"no {kind} '{name}'", hint, name.mark)
        return None
    call = _component_call(resolver, kind, definition, node, body, site, inner)
    extra = extra_words(kind, definition)
    return Component(definition.kind, definition.name, resolve(resolver, definition, call, extra), node.mark)


def _component_call(
    resolver: Resolver,
    kind: str,
    definition: Definition,
    node: Node,
    body: Node,
    site: Site,
    inner: tuple[Origin, Node] | None,
) -> Call:
    apart = _apart(resolver, inner[1] if inner else None, site.where)
    given = {**_arguments_of(resolver, definition, body, site.where), **apart}
    kinds: dict[str, OriginKind] = {str(k): inner[0].kind for k in apart} if inner else {}
    env = site.env if kind == "normalizer" else {}
    return Call(f"{site.where} {definition.name}", given, node.mark, env, site.kind, kinds)


def _split(node: Node) -> tuple[Key | None, Node | None]:
    if node.text is not None:
        return Key(node.text, node.mark), Node({}, node.mark)
    if node.mapping is not None and len(node.mapping) == 1:
        return next(iter(node.mapping.items()))
    return None, None


def _arguments_of(resolver: Resolver, definition: Definition, body: Node, where: str) -> dict[Key, Node]:
    if body.mapping is not None or body.value is None:
        return body.mapping or {}
    main = definition.description.main
    if main:
        return {Key(main, body.mark): body}
    takes = f"write {definition.name}: {{{', '.join(definition.parameters)}: ...}}" if definition.parameters else ""
    resolver.problem(where, f"{definition.name}: expected a mapping of arguments, got {body.what}", takes, body.mark)
    return {}


def _apart(resolver: Resolver, inner: Node | None, where: str) -> Mapping[Key, Node]:
    if inner is None or inner.value is None:
        return {}
    if inner.mapping is None:
        resolver.problem(where, f"normalizer_params is a mapping, got {inner.what}", mark=inner.mark)
    return inner.mapping or {}


def components(resolver: Resolver, kind: str, node: Node, site: Site) -> tuple[Component, ...]:
    """A list of components of one kind; a single one may stand without the list."""
    nodes = node.sequence if node.sequence is not None else (node,)
    found = (component(resolver, kind, n, Site(site.where, {}, site.kind)) for n in nodes)
    return tuple(c for c in found if c is not None)


def extra_words(kind: str, definition: Definition) -> dict[str, Parameter]:
    """The words that components of a kind take besides their own arguments."""
    if kind == "normalizer":
        return {name: WORDS[name] for name in NORMALIZER_WORDS}
    given = {n: _GIVEN[n] for n in definition.given if n in _GIVEN}
    if kind == "loss":
        # A loss that is given the mask reduces the batch itself: there is nothing left to weigh by classes.
        kept = [n for n in LOSS_WORDS if n != "class_weights" or "mask" not in definition.given]
        return {**given, **{n: LOSS_WORDS[n] for n in kept}}
    return {**given, **METRIC_WORDS} if kind == "metric" else {}


NORMALIZER_WORDS = ("scope", "trainable", "outputs_collections", "variables_collections")
_OUTPUT = "end point that it reads; the net's output where omitted"
READS: dict[str, Parameter] = {
    **{n: Parameter(n, str | None, None, _OUTPUT) for n in ("logits", "predictions", "values", "embeddings")},
    "embeddings_anchor": Parameter("embeddings_anchor", str, MISSING, "end point of one side of the pairs"),
    "embeddings_positive": Parameter("embeddings_positive", str, MISSING, "end point of the other side"),
}
"""The words of losses and metrics that name end points."""
_LABELS = Parameter("labels", values.FieldName, "label", "field of the data that holds the labels")
_GIVEN = {**READS, "labels": _LABELS}
