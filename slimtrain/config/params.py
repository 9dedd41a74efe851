"""Params: what `$name`, `${name}` and `$(expression)` stand for, in a whole config, a named scope or a block.

A whole value keeps its type; inside a longer text its text stands. Lists are written out on the way: an entry's `for`
and `when` (config/copies.py).
"""

import json
import re
from collections.abc import Iterator, Mapping

from slimtrain.config.arithmetic import evaluate
from slimtrain.config.copies import WORDS, copies, outside_a_list
from slimtrain.config.expressions import ExpressionError, Term, names, parse
from slimtrain.config.nodes import Key, Node, make, plain, walk
from slimtrain.config.text import MAX_DEPTH, MAX_NODES
from slimtrain.errors import Problem, did_you_mean, one_of

MAX_TEXT = 10_000
Params = Mapping[str, Node]
_PLACE = re.compile(r"\$\{(\w+)\}|\$\(|\A\$(\w+)\Z")


def declared(body: Node, problems: list[Problem]) -> dict[str, Node | None]:
    """The params of a config, scope or block: `{name: default}`, or a list of such and of names without one (None)."""
    params = body.get("params")
    if params is None or params.value is None:
        return {}
    found: dict[str, Node | None] = {}
    for entry in params.sequence if params.sequence is not None else (params,):
        if entry.mapping is not None:
            found |= {str(name): node for name, node in entry.mapping.items()}
        elif params.sequence is not None and entry.text:
            found[entry.text] = None
        else:
            what = f"expected a mapping or a list of names, got {entry.what}"
            problems.append(Problem("params", what, mark=entry.mark))
    return found


def bound(
    where: str, body: Node, given: Node | None, site: Node, outer: Params, problems: list[Problem]
) -> dict[str, Node] | None:
    """The params inside a body: those around it, its defaults, those of `with:` on top; None where one is missing.

    A default may be made of the params around it and of those above it.
    """
    params = declared(body, problems)
    handed = {str(key): node for key, node in _given(where, given, params, problems).items()}
    values = dict(outer)
    for name, default in params.items():
        if name in handed:
            values[name] = handed[name]
        elif default is not None:
            values[name] = substitute(default, values, problems)
    missing = [name for name, default in params.items() if default is None and name not in handed]
    for name in missing:
        hint = f"add 'with: {{{name}: ...}}'"
        problems.append(Problem(where, f"param '{name}' is not given", hint, site.mark))
    return None if missing else values


def _given(where: str, given: Node | None, params: Mapping[str, object], problems: list[Problem]) -> Mapping[Key, Node]:
    if given is None or given.value is None:
        return {}
    if given.mapping is None:
        problems.append(Problem(where, f"'with' is a mapping of params, got {given.what}", mark=given.mark))
    for key in given.mapping or {}:
        if key not in params:
            hint = did_you_mean(key, params) or (f"it takes {one_of(params)}" if params else "it takes none")
            problems.append(Problem(where, f"no param '{key}'", hint, key.mark))
    return given.mapping or {}


def used(node: Node) -> Iterator[str]:
    """The names of params that a tree reads anywhere."""
    for text in (n.text for n in walk(node) if n.text and "$" in n.text):
        for match in _PLACE.finditer(text):
            if name := match[1] or match[2]:
                yield name
                continue
            try:
                yield from names(parse(text[match.end() :])[0])
            except ExpressionError:
                continue


def substitute(node: Node, values: Params, problems: list[Problem]) -> Node:
    """The tree with every param and expression replaced and its lists written out.

    What stands for a param keeps the place where it was written.
    """
    filling = _Filling(problems)
    filled = filling.filled(node, values)
    if filling.left >= 0 and filled.size <= MAX_NODES and filled.depth <= MAX_DEPTH:
        return filled
    what = f"more than {MAX_NODES} values or {MAX_DEPTH} levels once its params are written out"
    problems.append(Problem("", what, "pass smaller params", node.mark))
    return Node(None, node.mark)


def _nearest(name: str, values: Params) -> str:
    here = f"params here are {one_of(values)}" if values else "there are no params here"
    return did_you_mean(name, values) or here


class _Filling:
    """Writes one tree out, counting what it makes; lives for that tree."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems, self.left = problems, MAX_NODES

    def filled(self, node: Node, values: Params) -> Node:
        self.left -= 1
        if node.mapping is not None:
            self.problems += [outside_a_list(key) for key in node.mapping if key in WORDS]
            return Node({k: self.filled(v, values) for k, v in node.mapping.items()}, node.mark)
        if node.sequence is not None:
            return Node(tuple(self.entries(node.sequence, values)), node.mark)
        return node if node.text is None or "$" not in node.text else self.scalar(node, node.text, values)

    def entries(self, nodes: tuple[Node, ...], values: Params) -> Iterator[Node]:
        for node in nodes:
            for entry, own in copies(node, values, self.filled, self.problems):
                if self.left < 0:
                    return
                yield self.filled(entry, own)

    def scalar(self, node: Node, text: str, values: Params) -> Node:
        """A text's value: the param or expression that it is, or itself with those inside it put in."""
        pieces: list[str | Node] = []
        start = 0
        while match := _PLACE.search(text, start):
            pieces.append(text[start : match.start()])
            value, start = self.value(match, node, text, values)
            pieces.append(value)
        pieces.append(text[start:])
        kept = [piece for piece in pieces if piece != ""]
        if len(kept) == 1:
            return kept[0] if isinstance(kept[0], Node) else node
        return self.joined(node, kept)

    def value(self, match: re.Match[str], node: Node, text: str, values: Params) -> tuple[Node, int]:
        """What stands at a place in a text, and where the place ends."""
        if name := match[1] or match[2]:
            return self.param(name, node, values), match.end()
        try:
            term, length = parse(text[match.end() :])
        except ExpressionError as error:
            return self.fail(node, error.what, error.hint), len(text)
        return self.computed(term, node, values), match.end() + length

    def param(self, name: str, node: Node, values: Params) -> Node:
        if name in values:
            return Node(values[name].value, values[name].mark, name)
        self.problems.append(Problem("", f"'{node.text}' names no param", _nearest(name, values), node.mark))
        return Node(None, node.mark)

    def computed(self, term: Term, node: Node, values: Params) -> Node:
        if unknown := [name for name in names(term) if name not in values]:
            return self.fail(node, f"no param '{unknown[0]}'", _nearest(unknown[0], values))
        if term.operator == "name":
            return self.param(term.value, node, values)
        try:
            return make(evaluate(term, {name: plain(values[name]) for name in names(term)}), node.mark)
        except ExpressionError as error:
            return self.fail(node, error.what, error.hint)

    def fail(self, node: Node, what: str, hint: str) -> Node:
        self.problems.append(Problem("", f"'{node.text}': {what}", hint, node.mark))
        return Node(None, node.mark)

    def joined(self, node: Node, pieces: list[str | Node]) -> Node:
        text = "".join(p if isinstance(p, str) else self.text_of(p, node) for p in pieces)
        if len(text) > MAX_TEXT:
            self.problems.append(Problem("", f"text of {len(text)} characters; at most {MAX_TEXT}", mark=node.mark))
        return Node(text[:MAX_TEXT], node.mark)

    def text_of(self, value: Node, node: Node) -> str:
        if isinstance(value.value, (dict, tuple)):
            self.problems.append(Problem("", f"'{node.text}': a list or mapping has no text", mark=node.mark))
            return ""
        return value.value if isinstance(value.value, str) else json.dumps(value.value)
