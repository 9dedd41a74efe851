"""A config, checked: its sections as records, its model as a Plan, every value with its origin."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slimtrain.config.arguments import Call, Resolver, resolve
from slimtrain.config.catalog import LOSS_WORDS, METRIC_WORDS, WORDS, Catalog, Definition, Parameter
from slimtrain.config.merge import load
from slimtrain.config.nodes import Key, Node, plain
from slimtrain.config.params import Params, bound, substitute, used
from slimtrain.config.places import Builder, Place, unconsumed
from slimtrain.config.plan import build_items
from slimtrain.config.problems import MAX_PROBLEMS, Enough, Problems
from slimtrain.config.records import Argument, Component, Origin, Plan
from slimtrain.config.scopes import Scopes, enter
from slimtrain.config.sections import DATA, INPUT, MODEL, TF_SLIM_KEYS, TOP, TRAIN, Data, Train
from slimtrain.errors import ConfigError, Problem, did_you_mean, one_of


@dataclass(frozen=True)
class Document:
    """A checked config; `sections` holds the arguments of `top`, `params`, `data`, `model`, `input` and `train`."""

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
    problems = Problems()
    try:
        return _checked(path, node, catalog, problems)
    except Enough:
        more = Problem(str(path), f"more than {MAX_PROBLEMS} problems; these are the first")
        raise ConfigError(*in_order(_causes(problems)), more) from None
    except RecursionError:
        what = "its blocks, scopes and params are nested too deep once they are written out"
        raise ConfigError(Problem(str(path), what, "nest less")) from None


def _checked(path: Path, node: Node, catalog: Catalog, problems: Problems) -> Document:
    resolver = Resolver(catalog, problems, set())
    written, params = node, _params(resolver, node)
    node = _written_out(written, params, resolver.problems)
    sections = {"top": _section(resolver, TOP, node, "config")}
    train = _section(resolver, TRAIN, _by_our_names(resolver, _part(node, "train")), "train")
    source, data = _data(resolver, _part(node, "data"))
    plan, more, warnings = _model(resolver, node, params)
    if resolver.problems:
        raise ConfigError(*in_order(_causes(resolver.problems)))
    sections |= {"train": train, **more, **({"data": data} if source else {}), "params": _explained(written, params)}
    top = values_of(sections["top"])
    return Document(
        path=path,
        catalog=catalog,
        text=written,
        seed=top["seed"],
        data=Data(**{n: data[n].value for n in DATA.parameters}) if source else None,
        source=source,
        plan=plan,
        losses=top["losses"],
        metrics=top["metrics"],
        optimizer=top["optimizer"],
        train=Train(**values_of(train)),
        sections=sections,
        warnings=(*_unused(written), *warnings),
    )


def _params(resolver: Resolver, node: Node) -> Params:
    """The config's params; each may be made of those above it."""
    params = node.get("params")
    if params is None or params.mapping is None:
        return {}
    return bound("params", node, None, node, {}, resolver.problems) or {}


def _explained(node: Node, params: Params) -> dict[str, Argument]:
    """The params as arguments: each one's value, and how it was written."""
    written = _part(node, "params").mapping or {}
    origins = {key: Origin("config", key.mark) for key in written}
    return {str(k): Argument(plain(params[k]), origins[k], ((origins[k], plain(v)),)) for k, v in written.items()}


def _written_out(node: Node, params: Params, problems: list[Problem]) -> Node:
    """The config with its params put in; scopes and blocks, which have params of their own, where they are used."""
    if node.mapping is None:
        return node
    later = ("params", "scopes", "blocks")
    return Node({k: v if k in later else substitute(v, params, problems) for k, v in node.mapping.items()}, node.mark)


def _unused(node: Node) -> list[Problem]:
    """Warnings for params that nothing reads."""
    read = set(used(node))
    unread = [key for key in _part(node, "params").mapping or {} if key not in read]
    return [Problem("params", f"'{k}' is never used", "remove it, or write $" + k, k.mark, "warning") for k in unread]


def values_of(arguments: Mapping[str, Argument]) -> dict[str, Any]:
    """The arguments' values by name."""
    return {name: argument.value for name, argument in arguments.items()}


def _causes(problems: list[Problem]) -> list[Problem]:
    """The problems without those of a value that no param could be put into: what it lacks is told once."""
    unfilled = {p.mark for p in problems if not p.where}
    return [p for p in problems if not p.where or p.mark not in unfilled]


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


def _by_our_names(resolver: Resolver, train: Node) -> Node:
    """The section with TF-Slim's names of keys read as ours."""
    mapping = dict(train.mapping or {})
    for key in [k for k in mapping if k in TF_SLIM_KEYS]:
        own = TF_SLIM_KEYS[key]
        if own in mapping:
            resolver.problem("train", f"'{key}' is TF-Slim's name of '{own}'", "give one of them", key.mark)
        mapping[Key(own, key.mark)] = mapping.pop(key)
    return Node(mapping, train.mark)


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


def _model(resolver: Resolver, node: Node, params: Params) -> tuple[Plan, dict[str, Any], list[Problem]]:
    model = _part(node, "model")
    arguments = _section(resolver, MODEL, model, "model")
    shape = _section(resolver, INPUT, _part(model, "input"), "model.input")
    named = {str(k): v for k, v in (_part(node, "scopes").mapping or {}).items()}
    blocks = {str(k): v for k, v in (_part(node, "blocks").mapping or {}).items()}
    scopes = Scopes(named, params, {}, resolver)
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
        ("train",): [*TRAIN.parameters, *TF_SLIM_KEYS],
        ("optimizer",): list(catalog.kind("optimizer")),
    }
    if above in sections:
        return sections[above]
    if above[-1] == "normalizer_params":
        return [n for d in catalog.kind("normalizer").values() for n in d.parameters]
    kinds = [d[above[-1]] for k, d in catalog.definitions.items() if above[-1] in d]
    words = {"layer": [*WORDS], "join": [*WORDS], "loss": [*LOSS_WORDS], "metric": [*METRIC_WORDS]}
    return [n for d in kinds for n in (*d.parameters, *d.given, *words.get(d.kind, []))]
