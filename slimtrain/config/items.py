"""The forms that an item of `layers` can have, read off its node."""

from collections.abc import Mapping
from dataclasses import dataclass

from slimtrain.config import values
from slimtrain.config.arguments import Resolver
from slimtrain.config.catalog import Definition
from slimtrain.config.nodes import Key, Node
from slimtrain.errors import Mark, did_you_mean

MAX_REPEATS = 1000
SPECIAL = ("repeat", "stack", "tap")


@dataclass(frozen=True)
class Form:
    """An item as written: its form, the op's or form's name, what it is given, and its place."""

    kind: str
    name: str
    body: Mapping[Key, Node]
    mark: Mark
    definition: Definition | None = None


def form_of(resolver: Resolver, node: Node) -> Form | None:
    """Which form an item has; None after a problem."""
    if node.text is not None:
        return _op(resolver, Key(node.text, node.mark), Node({}, node.mark))
    if node.mapping is None:
        resolver.problem("layers", f"an item is an op, a block or a join, got {node.what}", mark=node.mark)
        return None
    if node.get("layers") is not None:
        return Form("block", "block", node.mapping, node.mark)
    if node.get("block") is not None:
        return Form("reference", "block", node.mapping, node.mark)
    if len(node.mapping) == 1:
        return _op(resolver, *next(iter(node.mapping.items())))
    keys = ", ".join(node.mapping)
    hint = "write '- op: {argument: value}' with all words inside the braces, or a block with 'layers'"
    resolver.problem("layers", f"an item names one op, got the keys {keys}", hint, node.mark)
    return None


def _op(resolver: Resolver, name: Key, body: Node) -> Form | None:
    if body.mapping is None and body.value is not None:
        resolver.problem(
            name, f"expected a mapping of arguments, got {body.what}", f"write '{name}: {{...}}'", body.mark
        )
        return None
    given = body.mapping or {}
    if name in SPECIAL:
        return Form(str(name), str(name), given, name.mark)
    for kind in ("layer", "join"):
        if definition := resolver.catalog.kind(kind).get(str(name)):
            return Form(kind, definition.name, given, name.mark, definition)
    known = (*resolver.catalog.kind("layer"), *resolver.catalog.kind("join"), *SPECIAL, "block", "layers")
    hint = did_you_mean(name, known) or "'slimtrain layers' lists the ops"
    resolver.problem("layers", f"no op '{name}'", hint, name.mark)
    return None


def split(body: Mapping[Key, Node], *names: str) -> tuple[dict[Key, Node], dict[str, Node]]:
    """A body's words, and apart from them its structural parts by name."""
    given = {k: v for k, v in body.items() if k not in names}
    return given, {str(k): v for k, v in body.items() if k in names}


def with_scope(node: Node, scope: str) -> Node:
    """An item with its scope set."""
    named = Node(scope, node.mark)
    key = Key("scope", node.mark)
    if node.text is not None:
        return Node({Key(node.text, node.mark): Node({key: named}, node.mark)}, node.mark)
    mapping = node.mapping or {}
    if node.get("layers") is not None or node.get("block") is not None or len(mapping) != 1:
        return Node({**{k: v for k, v in mapping.items() if k != "scope"}, key: named}, node.mark)
    name, body = next(iter(mapping.items()))
    return Node({name: Node({**(body.mapping or {}), key: named}, body.mark)}, node.mark)


def repeated(resolver: Resolver, node: Node | None, mark: Mark) -> int:
    """How often: a whole number from 1 to 1000; 1 after a problem."""
    if node is None or type(node.value) is not int or not 1 <= node.value <= MAX_REPEATS:
        what = f"expected a whole number from 1 to {MAX_REPEATS}, got {node.what if node else 'nothing'}"
        resolver.problem("repeat", what, "" if node else "add 'repetitions'", node.mark if node else mark)
        return 1
    return node.value


def stacked(resolver: Resolver, form: Form) -> tuple[list[Node], str]:
    """The layers that a `repeat` or `stack` writes out, without scopes, and TF-Slim's base name for them."""
    body = {str(k): v for k, v in form.body.items()}
    layer = body.get("layer")
    inner = form_of(resolver, layer) if layer else None
    if layer is None or inner is None:
        if layer is None:
            resolver.problem(form.name, "'layer' is missing", "name the op to repeat", form.mark)
        return [], form.name
    base = (inner.definition.description.alias if inner.definition else "") or inner.name
    if any(k == "scope" for k in inner.body):
        resolver.problem(
            form.name, "its layer takes no scope of its own", f"set 'scope' on the {form.name}", layer.mark
        )
    if form.name == "repeat":
        return [layer] * repeated(resolver, body.get("repetitions"), form.mark), base
    return _stack(resolver, form, inner, body.get("stack_args")), base


def _stack(resolver: Resolver, form: Form, inner: Form, arguments: Node | None) -> list[Node]:
    if arguments is None or arguments.sequence is None or inner.definition is None:
        what = f"expected a list, got {arguments.what}" if arguments else "missing"
        hint = "one entry a layer: [64, 32], [[64, 3], [32, 1]] or [{num_outputs: 64}]"
        resolver.problem(form.name, f"stack_args: {what}", hint, arguments.mark if arguments else form.mark)
        return []
    made = []
    for entry in arguments.sequence:
        extra = _positional(resolver, form, inner.definition, entry)
        made.append(Node({Key(inner.name, inner.mark): Node({**inner.body, **extra}, entry.mark)}, entry.mark))
    return made


def _positional(resolver: Resolver, form: Form, definition: Definition, entry: Node) -> dict[Key, Node]:
    if entry.mapping is not None:
        return entry.mapping
    given = entry.sequence if entry.sequence is not None else (entry,)
    names = list(definition.parameters)
    if len(given) > len(names):
        what = f"{len(given)} values for {definition.name}, which takes {len(names)}: {values.show(names)}"
        resolver.problem(form.name, what, mark=entry.mark)
    return {Key(name, node.mark): node for name, node in zip(names, given, strict=False)}
