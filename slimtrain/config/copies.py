"""`for` and `when` on an entry of a list: one copy an entry of a table's columns; none where a condition is false.

They stand beside the entry's own keys, which are those of the one thing that it names where it names one:
`{for: ..., layers: [...]}`, `conv2d: {when: ..., num_outputs: 64}`.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from slimtrain.config.expressions import RESERVED
from slimtrain.config.nodes import Key, Node
from slimtrain.errors import Problem

MAX_COPIES = 1000
WORDS = ("for", "when")
Params = Mapping[str, Node]
Fill = Callable[[Node, Params], Node]


def copies(entry: Node, values: Params, fill: Fill, problems: list[Problem]) -> Iterator[tuple[Node, Params]]:
    """The copies of a list's entry, each with the params that it sees; the entry itself where it has neither word.

    Args:
        entry: the entry as written.
        values: the params around it.
        fill: puts params into a node.
        problems: where problems go to.
    """
    body = _body(entry)
    if body is None:
        yield entry, values
        return
    if body is entry and (misplaced := _misplaced(entry)):
        problems.append(misplaced)
    bare = _without(entry, body)
    table, condition = body.get("for"), body.get("when")
    for row in _rows(fill(table, values), problems) if table else [{}]:
        own = {**values, **row}
        if condition is None or _holds(fill(condition, own), problems):
            yield bare, own


def _body(entry: Node) -> Node | None:
    """The mapping that holds an entry's `for` or `when`, if there is one."""
    if entry.mapping is None:
        return None
    inner = [*entry.mapping.values()] if len(entry.mapping) == 1 else []
    return next((n for n in (entry, *inner) if n.get("for") or n.get("when")), None)


def _misplaced(entry: Node) -> Problem | None:
    """The problem of a word that stands outside the one thing that the entry names."""
    own = [(key, node) for key, node in (entry.mapping or {}).items() if key not in WORDS]
    if len(own) != 1 or own[0][1].mapping is None:
        return None
    word, name = next(key for key in entry.mapping or {} if key in WORDS), own[0][0]
    return Problem(word, f"stands outside '{name}'", f"write '{name}: {{{word}: ...}}'", word.mark)


def outside_a_list(word: Key) -> Problem:
    """The problem of a word that stands in no entry of a list."""
    return Problem(
        word, "stands in the entries of lists only", "write '- ' before the entry, or [] around it", word.mark
    )


def _without(entry: Node, body: Node) -> Node:
    kept = Node({k: v for k, v in (body.mapping or {}).items() if k not in WORDS}, body.mark)
    return kept if entry is body else Node(dict.fromkeys(entry.mapping or {}, kept), entry.mark)


def _holds(condition: Node, problems: list[Problem]) -> bool:
    if not isinstance(condition.value, bool):
        what = f"expected true or false, got {condition.what}"
        problems.append(Problem("when", what, "write a condition: 'when: $(depth > 0)'", condition.mark))
    return condition.value is True


def _rows(table: Node, problems: list[Problem]) -> list[dict[str, Node]]:
    """The rows of a table of columns; none after a problem."""
    if not table.mapping:
        what = f"expected a mapping from params to lists, got {table.what if table.value else 'nothing'}"
        problems.append(Problem("for", what, "write 'for: {depth: [64, 128]}'", table.mark))
        return []
    columns = {str(key): _column(key, node, problems) for key, node in table.mapping.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
        problems.append(Problem("for", f"columns of unequal length: {told}", "give each an entry a copy", table.mark))
        return []
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _column(key: Key, node: Node, problems: list[Problem]) -> tuple[Node, ...]:
    """A column's entries; a whole number N stands for 1 to N."""
    if not re.fullmatch(r"\w+", key) or key in RESERVED:
        problems.append(Problem("for", f"'{key}' is no name for a param", "use letters, digits and '_'", key.mark))
    if type(node.value) is int and 0 <= node.value <= MAX_COPIES:
        return tuple(Node(number, node.mark) for number in range(1, node.value + 1))
    if node.sequence is not None and len(node.sequence) <= MAX_COPIES:
        return node.sequence
    what = f"{key}: expected a list or a whole number, of up to {MAX_COPIES} copies, got {node.what}"
    problems.append(Problem("for", what, mark=node.mark))
    return ()
