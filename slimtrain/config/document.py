"""A config, checked: its sections as records, its model as a Plan, every value with its origin."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slimtrain.config.arguments import Call, Resolver, resolve
from slimtrain.config.catalog import LOSS_WORDS, METRIC_WORDS, WORDS, Catalog, Definition, Parameter
from slimtrain.config.merge import load
from slimtrain.config.nodes import Node
from slimtrain.config.places import Builder, Place, unconsumed
from slimtrain.config.plan import build_items
from slimtrain.config.records import Argument, Component, Plan
from slimtrain.config.scopes import Scopes, enter
from slimtrain.config.sections import DATA, INPUT, MODEL, TOP, TRAIN, Data, Train
from slimtrain.errors import ConfigError, Problem, did_you_mean, one_of


@dataclass(frozen=True)
class Document:
    """A checked config; `sections` holds the arguments of `top`, `data`, `model`, `input` and `train`."""

    path: Path
    catalog: Catalog
    text: Node
    seed: int
    data: Data | None
    source: Component | None
    plan: Plan
    losses: tuple[Component, ...]
    metrics: tuple[Component, ...]
    optimizer: Component | None
    train: Train
    sections: Mapping[str, Mapping[str, Argument]]
    warnings: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """The config's name: its file's, without the ending."""
        return self.path.stem


def read(path: Path, overrides: Iterable[str], catalog: Catalog) -> Document:
    """The config of a file, checked as far as it can be without JAX: text, values, scopes, names.

    Args:
        path: the config file.
        overrides: the command line's `a.b=value`, `+a.b=value`, `~a.b`.
        catalog: the registered functions.

    Raises:
        ConfigError: with every problem found, in order of place.
    """
    node = load(path, overrides, lambda above: known_keys(catalog, above))
    return check(path, node, catalog)


def check(path: Path, node: Node, catalog: Catalog) -> Document:
    """A config's tree as a Document; raises ConfigError with every problem found."""
    try:
        return _checked(path, node, catalog)
    except RecursionError:
        what = "its blocks, scopes and params are nested too deep once they are written out"
        raise ConfigError(Problem(str(path), what, "nest less")) from None


def _checked(path: Path, node: Node, catalog: Catalog) -> Document:
    resolver = Resolver(catalog, [], set())
    sections = {"top": _section(resolver, TOP, node, "config")}
    train = _section(resolver, TRAIN, _part(node, "train"), "train")
    source, data = _data(resolver, _part(node, "data"))
    plan, more, warnings = _model(resolver, node)
    if resolver.problems:
        raise ConfigError(*in_order(resolver.problems))
    sections |= {"train": train, **more, **({"data": data} if source else {})}
    top = values_of(sections["top"])
    return Document(
        path=path,
        catalog=catalog,
        text=node,
        seed=top["seed"],
        data=Data(**{n: data[n].value for n in DATA.parameters}) if source else None,
        source=source,
        plan=plan,
        losses=top["losses"],
        metrics=top["metrics"],
        optimizer=top["optimizer"],
        train=Train(**values_of(train)),
        sections=sections,
        warnings=tuple(warnings),
    )


def values_of(arguments: Mapping[str, Argument]) -> dict[str, Any]:
    """The arguments' values by name."""
    return {name: argument.value for name, argument in arguments.items()}


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems by place: files as they came, then lines and columns. One place has each problem once."""
    unique = list({(p.mark, p.what) if p.mark else p: p for p in reversed(list(problems))}.values())[::-1]
    files = {p.mark.file if p.mark else "": i for i, p in reversed(list(enumerate(unique)))}
    return sorted(unique, key=lambda p: (files[p.mark.file], p.mark.line, p.mark.column) if p.mark else (-1, 0, 0))


def _part(node: Node, name: str) -> Node:
    """A section's mapping, empty where there is none; one that is no mapping is a problem of what it stands in."""
    part = node.get(name)
    if part is None or part.mapping is None:
        return Node({}, part.mark if part else node.mark)
    return part


def _section(
    resolver: Resolver,
    definition: Definition,
    node: Node,
    where: str,
    extra: Mapping[str, Parameter] | None = None,
) -> dict[str, Argument]:
    return resolve(resolver, definition, Call(where, node.mapping or {}, node.mark, {}, "config"), extra)


def _data(resolver: Resolver, node: Node) -> tuple[Component | None, dict[str, Argument]]:
    if not node.mapping:
        return None, {}
    name = node.get("source")
    known = resolver.catalog.kind("source")
    definition = known.get(name.text or "") if name else None
    arguments = _section(resolver, DATA, node, "data", definition.parameters if definition else _all(known))
    if name is not None and name.text is not None and definition is None:
        hint = did_you_mean(name.text or "", known) or f"there are {one_of(sorted(known))}"
        resolver.problem("data", f"no source {name.what}", hint, name.mark)
    if definition is None:
        return None, arguments
    own = {n: arguments[n] for n in definition.parameters if n in arguments}
    return Component("source", definition.name, own, node.mark), arguments


def _all(definitions: Mapping[str, Definition]) -> dict[str, Parameter]:
    """Parameters of all sources, none of them required: for when the source's name is wrong."""
    found = {n: p for d in definitions.values() for n, p in d.parameters.items()}
    return {n: replace(p, default=None, annotation=Any) for n, p in found.items()}


def _model(resolver: Resolver, node: Node) -> tuple[Plan, dict[str, Any], list[Problem]]:
    model = _part(node, "model")
    arguments = _section(resolver, MODEL, model, "model")
    shape = _section(resolver, INPUT, _part(model, "input"), "model.input")
    named = {str(k): v for k, v in (_part(node, "scopes").mapping or {}).items()}
    blocks = {str(k): v for k, v in (_part(node, "blocks").mapping or {}).items()}
    scopes = Scopes(named, {}, resolver)
    builder = Builder(scopes, blocks, resolver)
    root = arguments["scope"].value or ""
    place = Place(root, enter(scopes, model.get("arg_scope"), {}))
    items = build_items(builder, place, model.get("layers"), "model")
    if not items and not resolver.problems:
        resolver.problem("model", "has no layers", "list them under 'model: {layers: [...]}'", model.mark)
    plan = Plan(items, root, shape["shape"].value, shape["dtype"].value, model.mark)
    return plan, {"model": arguments, "input": shape}, unconsumed(builder)


def known_keys(catalog: Catalog, above: tuple[str, ...]) -> list[str]:
    """The keys that may stand under a path of the config, so far as its last name tells."""
    if not above:
        return list(TOP.parameters)
    sources = _all(catalog.kind("source"))
    sections = {
        ("data",): [*DATA.parameters, *sources],
        ("model",): list(MODEL.parameters),
        ("model", "input"): list(INPUT.parameters),
        ("train",): list(TRAIN.parameters),
        ("optimizer",): list(catalog.kind("optimizer")),
    }
    if above in sections:
        return sections[above]
    if above[-1] == "normalizer_params":
        return [n for d in catalog.kind("normalizer").values() for n in d.parameters]
    kinds = [d[above[-1]] for k, d in catalog.definitions.items() if above[-1] in d]
    words = {"layer": [*WORDS], "join": [*WORDS], "loss": [*LOSS_WORDS], "metric": [*METRIC_WORDS]}
    return [n for d in kinds for n in (*d.parameters, *d.given, *words.get(d.kind, []))]
