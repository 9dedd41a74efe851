"""`$param` in named scopes and blocks: a whole value keeps its type, `${param}` stands inside a text."""

import json
import re
from collections.abc import Mapping

from slimtrain.config.nodes import Key, Node
from slimtrain.config.text import MAX_DEPTH, MAX_NODES
from slimtrain.errors import Problem, did_you_mean, one_of

MAX_TEXT = 10_000
_WHOLE = re.compile(r"\$(\w+)\Z|\$\{(\w+)\}\Z")
_INSIDE = re.compile(r"\$\{(\w+)\}")


def declared(body: Node, problems: list[Problem]) -> dict[str, Node | None]:
    """The params of a named scope or block: `{name: default}`, or a list of names without defaults (None)."""
    params = body.get("params")
    if params is None or params.value is None:
        return {}
    if params.mapping is not None:
        return {str(name): node for name, node in params.mapping.items()}
    if params.sequence is not None and all(p.text for p in params.sequence):
        return {str(p.text): None for p in params.sequence}
    problems.append(Problem("params", f"expected a mapping or a list of names, got {params.what}", mark=params.mark))
    return {}


def bound(where: str, body: Node, given: Node | None, site: Node, problems: list[Problem]) -> dict[str, Node] | None:
    """Values for a body's params: its defaults, with those of `with:` on top; None where one is missing."""
    params = declared(body, problems)
    values = {name: node for name, node in params.items() if node is not None}
    for key, node in _given(where, given, problems).items():
        if key not in params:
            hint = did_you_mean(key, params) or (f"it takes {one_of(params)}" if params else "it takes none")
            problems.append(Problem(where, f"no param '{key}'", hint, key.mark))
        values[str(key)] = node
    missing = [name for name in params if name not in values]
    for name in missing:
        hint = f"add 'with: {{{name}: ...}}'"
        problems.append(Problem(where, f"param '{name}' is not given", hint, site.mark))
    return None if missing else values


def _given(where: str, given: Node | None, problems: list[Problem]) -> Mapping[Key, Node]:
    if given is None or given.value is None:
        return {}
    if given.mapping is None:
        problems.append(Problem(where, f"'with' is a mapping of params, got {given.what}", mark=given.mark))
    return given.mapping or {}


def substitute(node: Node, values: Mapping[str, Node], problems: list[Problem]) -> Node:
    """The tree with every `$param` replaced; the values keep the places where they were written."""
    filled = _filled(node, values, problems)
    if filled.size <= MAX_NODES and filled.depth <= MAX_DEPTH:
        return filled
    what = f"more than {MAX_NODES} values or {MAX_DEPTH} levels once its params are written out"
    problems.append(Problem("", what, "pass smaller params", node.mark))
    return Node(None, node.mark)


def _filled(node: Node, values: Mapping[str, Node], problems: list[Problem]) -> Node:
    if node.mapping is not None:
        return Node({k: _filled(v, values, problems) for k, v in node.mapping.items()}, node.mark)
    if node.sequence is not None:
        return Node(tuple(_filled(v, values, problems) for v in node.sequence), node.mark)
    if node.text is None or "$" not in node.text:
        return node
    if whole := _WHOLE.match(node.text):
        return _value(whole[1] or whole[2], node, values, problems)
    text = _INSIDE.sub(lambda m: _text(m[1], node, values, problems), node.text)
    if len(text) > MAX_TEXT:
        problems.append(Problem("", f"text of {len(text)} characters; at most {MAX_TEXT}", mark=node.mark))
    return Node(text[:MAX_TEXT], node.mark)


def _value(name: str, node: Node, values: Mapping[str, Node], problems: list[Problem]) -> Node:
    if name not in values:
        here = f"params here are {one_of(values)}" if values else "there are no params here"
        hint = did_you_mean(name, values) or here
        problems.append(Problem("", f"'{node.text}' names no param", hint, node.mark))
        return Node(None, node.mark)
    return values[name]


def _text(name: str, node: Node, values: Mapping[str, Node], problems: list[Problem]) -> str:
    value = _value(name, node, values, problems).value
    if isinstance(value, (dict, tuple)):
        problems.append(Problem("", f"'${{{name}}}' is a list or mapping, which has no text", mark=node.mark))
        return ""
    return value if isinstance(value, str) else json.dumps(value)
