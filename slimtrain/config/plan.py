"""From the text of a model to its Plan: blocks and repeats written out, scopes applied, every name settled.

One function an item form. After this nothing knows of arg scopes, params or default names.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from slimtrain.config.arguments import Call, resolve
from slimtrain.config.catalog import WORDS, Definition, Description
from slimtrain.config.items import Form, form_of, repeated, split, stacked, with_scope
from slimtrain.config.nodes import Key, Node
from slimtrain.config.params import bound
from slimtrain.config.places import Builder, Place, path_of, register, words_of
from slimtrain.config.records import Argument, Component, GroupPlan, Item, LayerPlan, Words
from slimtrain.config.scopes import enter, written_out
from slimtrain.errors import Mark, did_you_mean, one_of

MAX_ITEMS = 5_000
Kind: TypeAlias = Literal["block", "tap"]
_PARTS: dict[str, tuple[str, ...]] = {
    "block": ("layers", "arg_scope", "repeat"),
    "join": ("branches", "arg_scope"),
    "residual": ("shortcut", "layers", "arg_scope"),
    "repeat": ("layer", "repetitions", "arg_scope"),
    "stack": ("layer", "stack_args", "arg_scope"),
}
_GROUP = Definition("block", "block", lambda: None, {}, (), "", "", Description("block"))


def build_items(builder: Builder, place: Place, layers: Node | None, where: str) -> tuple[Item, ...]:
    """The items of a `layers` list, in order."""
    if layers is None or layers.value is None:
        return ()
    if layers.sequence is None:
        builder.problem(where, f"'layers' is a list of items, got {layers.what}", "put '- ' before each", layers.mark)
        return ()
    built = (build_item(builder, place, node) for node in layers.sequence)
    return tuple(item for item in built if item is not None)


def build_item(builder: Builder, place: Place, node: Node) -> Item | None:
    """One item: a layer, a block, a join, a repeat, a stack or a tap."""
    builder.items.append(node.mark)
    if len(builder.items) == MAX_ITEMS + 1:
        what = f"more than {MAX_ITEMS} items once its blocks and repeats are written out"
        builder.problem("model", what, "repeat less", node.mark)
    if len(builder.items) > MAX_ITEMS:
        return None
    form = form_of(builder.resolver, node)
    return _BUILD[form.kind](builder, place, form) if form else None


def _layer(builder: Builder, place: Place, form: Form) -> Item | None:
    definition = form.definition
    assert definition is not None
    label = f"{form.name} '{scope}'" if (scope := _text(form.body, "scope")) else form.name
    call = Call(label, form.body, form.mark, place.env)
    arguments = resolve(builder.resolver, definition, call, WORDS)
    path = path_of(builder, place, arguments, _default_scope(definition, arguments), label, form.mark)
    words = words_of(builder, place, arguments, label, form.mark)
    _one_input(builder, words, label, form.mark)
    own = {n: a for n, a in arguments.items() if n not in WORDS}
    register(builder, path, words, own.get("normalizer_fn"), form.mark)
    return LayerPlan(Component("layer", definition.name, own, form.mark), path, words, form.mark)


def _default_scope(definition: Definition, arguments: Mapping[str, Argument]) -> str:
    """The op's default scope; a name in braces stands for that argument, as TF-Slim's pool is called by its type."""
    scope = definition.description.scope
    values = {name: str(argument.value).lower() for name, argument in arguments.items()}
    return re.sub(r"{(\w+)}", lambda m: values.get(m[1], m[1]), scope)


def _one_input(builder: Builder, words: Words, label: str, mark: Mark) -> None:
    if len(words.inputs) > 1:
        what = f"takes one input, got {len(words.inputs)}"
        builder.problem(label, what, "join them with concat or add", mark)


def _block(builder: Builder, place: Place, form: Form, kind: Kind = "block") -> Item | None:
    repeats = form.body.get(_key("repeat"))
    if repeats is not None:
        return _repeated_block(builder, place, form, repeats, kind)
    given, parts = split(form.body, "layers", "arg_scope")
    words, path, inner = _group(builder, place, form, given, parts.get("arg_scope"))
    _one_input(builder, words, form.name, form.mark)
    items = build_items(builder, inner, parts.get("layers"), form.name)
    register(builder, path, words, None, form.mark)
    return GroupPlan(kind, (items,), path, words, form.mark)


def _repeated_block(builder: Builder, place: Place, form: Form, repeats: Node, kind: Kind) -> Item:
    """Copies in a row: the first takes the `inputs`, the last gives the `alias`."""
    number = repeated(builder.resolver, repeats, form.mark)
    copies = []
    for index in range(1, number + 1):
        once = {"repeat", *(("inputs",) if index > 1 else ()), *(("alias",) if index < number else ())}
        body: Mapping[Key, Node] = {k: v for k, v in form.body.items() if k not in once}
        if scope := _text(body, "scope"):
            body = {**body, _key("scope"): Node(f"{scope}_{index}", body[_key("scope")].mark)}
        copies.append(_block(builder, place, replace(form, body=body)))
    return GroupPlan(kind, (tuple(c for c in copies if c),), "", Words(), form.mark)


def _reference(builder: Builder, place: Place, form: Form) -> Item | None:
    """`{block: NAME, with: ...}`: the named block's body where it is used, its params substituted."""
    name_node = form.body[_key("block")]
    name = name_node.text or ""
    body = builder.blocks.get(name)
    if body is None or name in place.inside:
        there = f"blocks are {one_of(builder.blocks)}" if builder.blocks else "declare it under 'blocks'"
        hint = did_you_mean(name, builder.blocks) or there
        what = f"block '{name}' holds itself" if body else f"no block {name_node.what}"
        builder.problem("block", what, "" if body else hint, name_node.mark)
        return None
    filled = _filled(builder, form, name, body)
    if filled is None:
        return None
    used = {k: v for k, v in form.body.items() if k not in ("block", "with")}
    merged = {**{k: v for k, v in filled.items() if k not in used}, **used}
    inner = replace(place, inside=(*place.inside, name))
    return _block(builder, inner, replace(form, name=f"block {name}", body=merged))


def _filled(builder: Builder, form: Form, name: str, body: Node) -> Mapping[Key, Node] | None:
    """A named block's body with its params put in; None after a problem."""
    if body.get("layers") is None:
        hint = f"write '{name}: {{params: {{...}}, layers: [...]}}'"
        builder.problem(f"block {name}", "holds no 'layers'", hint, body.mark)
        return None
    problems = builder.resolver.problems
    site = Node(None, form.mark)
    values = bound(f"block {name}", body, form.body.get(_key("with")), site, builder.scopes.params, problems)
    own = Node({k: v for k, v in (body.mapping or {}).items() if k != "params"}, body.mark)
    return None if values is None else written_out(builder.resolver, own, values).mapping


def _join(builder: Builder, place: Place, form: Form) -> Item | None:
    given, parts = split(form.body, *_PARTS["residual" if form.name == "residual" else "join"])
    words, path, inner = _group(builder, place, form, given, parts.get("arg_scope"), form.definition)
    nodes = _branch_nodes(builder, form, parts, len(words.inputs))
    branches = tuple(_branch(builder, inner, node) for node in nodes)
    if branches:
        _one_input(builder, words, form.name, form.mark)
    own = {n: a for n, a in words.arguments.items() if n not in WORDS}
    register(builder, path, words, None, form.mark)
    join = Component("join", form.name, own, form.mark)
    return GroupPlan("join", branches, path, words, form.mark, join)


def _branch_nodes(builder: Builder, form: Form, parts: dict[str, Node], inputs: int) -> list[Node]:
    """The branches as written; none where the join is of its `inputs`."""
    branches = parts.get("branches", Node((), form.mark))
    if branches.sequence is None:
        builder.problem(form.name, f"'branches' is a list, got {branches.what}", mark=branches.mark)
        return []
    nodes = list(branches.sequence)
    if "shortcut" in parts or "layers" in parts:
        empty = Node((), form.mark)
        nodes = [parts.get("shortcut", empty), parts.get("layers", empty)]
    if not nodes and inputs < 2:
        first = "layers" if form.name == "residual" else "branches"
        builder.problem(form.name, "joins nothing", f"give '{first}', or 'inputs' with two end points", form.mark)
    return nodes


def _branch(builder: Builder, place: Place, node: Node) -> tuple[Item, ...]:
    if node.sequence is not None or node.value is None:
        return build_items(builder, place, node, "branch")
    item = build_item(builder, place, node)
    return (item,) if item else ()


def _repeat(builder: Builder, place: Place, form: Form) -> Item | None:
    nodes, base = stacked(builder.resolver, form)
    given, parts = split(form.body, *_PARTS[form.name])
    default = form.name.capitalize()
    words, path, inner = _group(builder, place, form, given, parts.get("arg_scope"), default=default)
    _one_input(builder, words, form.name, form.mark)
    name = _text(form.body, "scope") or base
    copies = [build_item(builder, inner, with_scope(n, f"{name}_{i}")) for i, n in enumerate(nodes, 1)]
    items = tuple(c for c in copies if c)
    return GroupPlan("block", (items,), path, words, form.mark, listed=False)


def _tap(builder: Builder, place: Place, form: Form) -> Item | None:
    return _block(builder, place, form, "tap")


_BUILD: dict[str, Any] = {
    "layer": _layer,
    "block": _block,
    "reference": _reference,
    "join": _join,
    "repeat": _repeat,
    "stack": _repeat,
    "tap": _tap,
}


def _group(
    builder: Builder,
    place: Place,
    form: Form,
    given: Mapping[Key, Node],
    declaration: Node | None,
    definition: Definition | None = None,
    default: str = "",
) -> tuple[Words, str, Place]:
    """A group's words, its path ('' for none) and the place that its items stand in."""
    call = Call(form.name, given, form.mark, place.env)
    parts = _PARTS.get(form.name) or _PARTS["join" if definition else "block"]
    definition = replace(definition or _GROUP, name=form.name, given=parts)
    arguments = resolve(builder.resolver, definition, call, WORDS)
    path = path_of(builder, place, arguments, default, form.name, form.mark)
    words = words_of(builder, place, arguments, form.name, form.mark)
    env = enter(builder.scopes, declaration, place.env)
    return words, path, replace(place, path=path or place.path, env=env, reuse=place.reuse or words.reuse)


def _key(name: str) -> Key:
    return Key(name, Mark("", 0, 0))


def _text(body: Mapping[Key, Node], name: str) -> str:
    node = body.get(_key(name))
    return (node.text or "") if node else ""
