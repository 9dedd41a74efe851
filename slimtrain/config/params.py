"""`$param` in named scopes and blocks: whole values keep their type, `${param}` stands inside a longer text."""

import json
import re
from collections.abc import Mapping

from slimtrain.config.nodes import Key, Node
from slimtrain.errors import Problem, did_you_mean

_WHOLE = re.compile(r"\$(\w+)\Z|\$\{(\w+)\}\Z")
_INSIDE = re.compile(r"\$\{(\w+)\}")


def declared(body: Node, problems: list[Problem]) -> dict[str, Node | None]:
    """The params of a named scope or block: `{name: default}`, or a list of names that must be given (None)."""
    params = body.get("params")
    if params is None or params.value is None:
        return {}
    if params.mapping is not None:
        return dict(params.mapping)
    if params.sequence is not None and all(p.text for p in params.sequence):
        return {str(p.text): None for p in params.sequence}
    problems.append(Problem("params", f"expected a mapping or a list of names, got {params.what}", mark=params.mark))
    return {}


def bound(
    where: str, body: Node, given: Node | None, site: Node, problems: list[Problem]
) -> dict[str, Node]:
    """Values for a body's params: its defaults, with those of `with:` on top; problems for unknown and missing ones."""
    params = declared(body, problems)
    values = {name: node for name, node in params.items() if node is not None}
    for name, node in _given(where, given, problems).items():
        if name not in params:
            hint = did_you_mean(name, params) or f"it takes ({', '.join(params)})"
            problems.append(Problem(where, f"no param '{name}'", hint, name.mark))
        values[name] = node
    for name in params.keys() - values.keys():
        problems.append(Problem(where, f"param '{name}' is not given", f"add 'with: {{{name}: ...}}'", site.mark))
    return values


def _given(where: str, given: Node | None, problems: list[Problem]) -> Mapping[Key, Node]:
    if given is None or given.value is None:
        return {}
    if given.mapping is None:
        problems.append(Problem(where, f"'with' is a mapping of params, got {given.what}", mark=given.mark))
    return given.mapping or {}


def substitute(node: Node, values: Mapping[str, Node], problems: list[Problem]) -> Node:
    """The tree with every `$param` replaced; the values keep the places where they were written."""
    if node.mapping is not None:
        return Node({k: substitute(v, values, problems) for k, v in node.mapping.items()}, node.mark)
    if node.sequence is not None:
        return Node(tuple(substitute(v, values, problems) for v in node.sequence), node.mark)
    if node.text is None or "$" not in node.text:
        return node
    if whole := _WHOLE.match(node.text):
        return _value(whole[1] or whole[2], node, values, problems)
    return Node(_INSIDE.sub(lambda m: _text(m[1], node, values, problems), node.text), node.mark)


def _value(name: str, node: Node, values: Mapping[str, Node], problems: list[Problem]) -> Node:
    if name not in values:
        hint = did_you_mean(name, values) or f"params here are ({', '.join(values)})"
        problems.append(Problem("", f"'{node.text}' names no param", hint, node.mark))
        return Node(None, node.mark)
    return values[name]


def _text(name: str, node: Node, values: Mapping[str, Node], problems: list[Problem]) -> str:
    value = _value(name, node, values, problems).value
    if isinstance(value, (dict, tuple)):
        problems.append(Problem("", f"'${{{name}}}' is a list or mapping, which has no text", mark=node.mark))
        return ""
    return value if isinstance(value, str) else json.dumps(value)
