"""Overrides from the command line: `a.b=value`, `+a.b=value`, `~a.b`, applied to a config's tree."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from slimtrain.config.nodes import Key, Node, in_order
from slimtrain.config.text import MAX_DEPTH, read_text
from slimtrain.errors import COMMAND_LINE, ConfigError, Mark, Problem, did_you_mean

Known = Callable[[tuple[str, ...]], Iterable[str]]
"""The keys that may stand under a path even where the config has none yet."""


@dataclass(frozen=True)
class Override:
    """`a.b=value` (sign ''), `+a.b=value` (sign '+') or `~a.b` (sign '~')."""

    sign: str
    path: tuple[str, ...]
    value: Node
    text: str
    mark: Mark


def parse_override(text: str, number: int) -> Override:
    """One override off the command line; `number` from 1 is its line in messages."""
    form = re.match(r"([+~]?)([^=]*)(=?)", text, re.S)
    assert form is not None
    sign, name, equals = form.groups()
    mark = Mark(COMMAND_LINE, number, 1)
    path = tuple(name.split("."))
    if len(path) > MAX_DEPTH:
        raise ConfigError(Problem("", f"'{text}': nested deeper than {MAX_DEPTH} levels", mark=mark))
    if not all(path) or (sign == "~") == bool(equals):
        hint = "write key.key=value, +key.key=value to add, ~key.key to remove"
        raise ConfigError(Problem("", f"'{text}' is no override", hint, mark))
    value = read_text(text[form.end() :], COMMAND_LINE, Path("."), number - 1, form.end())
    return Override(sign, path, value, text, mark)


def apply_override(node: Node, override: Override, known: Known) -> Node:
    """The tree with one override applied; raises ConfigError where its path leads nowhere."""
    return _changed(node, override, 0, known)


def _changed(node: Node, override: Override, depth: int, known: Known) -> Node:
    if node.sequence is not None:
        return _changed_list(node, override, depth, known)
    name = override.path[depth]
    last = depth == len(override.path) - 1
    mapping = node.mapping if node.mapping is not None else {}
    if node.mapping is None and node.value is not None and node.value != name:
        raise _nowhere(override, depth, f"holds {node.what}, not a mapping")
    if node.mapping is None and isinstance(node.value, str):
        mapping = {Key(node.value, node.mark): Node({}, node.mark)}
    if name not in mapping:
        _allowed(override, depth, mapping, known)
    elif override.sign == "+" and last and node.mapping is not None:
        raise ConfigError(Problem("", f"'{override.text}': the key is there already", "drop the '+'", override.mark))
    changed = {k: v for k, v in mapping.items() if k != name}
    if not (last and override.sign == "~"):
        below = mapping.get(Key(name, override.mark), Node({}, override.mark))
        value = override.value if last else _changed(below, override, depth + 1, known)
        changed[Key(name, override.mark)] = value
    return Node(in_order(mapping, changed), node.mark)


def _changed_list(node: Node, override: Override, depth: int, known: Known) -> Node:
    items = list(node.sequence or ())
    name = override.path[depth]
    last = depth == len(override.path) - 1
    if not re.fullmatch(r"[0-9]{1,6}", name) or int(name) >= len(items) + (last and override.sign == "+"):
        raise _nowhere(override, depth, f"is a list of {len(items)}; name an item by its number from 0")
    index = int(name)
    if last and override.sign == "~":
        del items[index]
    elif last:
        items[index : index + (override.sign != "+")] = [override.value]
    else:
        items[index] = _changed(items[index], override, depth + 1, known)
    return Node(tuple(items), node.mark)


def _allowed(override: Override, depth: int, mapping: dict[Key, Node], known: Known) -> None:
    name, above = override.path[depth], override.path[:depth]
    may = set(known(above))
    if override.sign == "~" or (name not in may and override.sign != "+"):
        near = did_you_mean(name, {*map(str, mapping), *(may if override.sign != "~" else ())})
        add = "" if override.sign == "~" else f"+{override.text.lstrip('+')} adds it"
        here = f" in '{'.'.join(above)}'" if above else ""
        hint = near or add
        raise ConfigError(Problem("", f"'{override.text}': no key '{name}'{here}", hint, override.mark))


def _nowhere(override: Override, depth: int, why: str) -> ConfigError:
    above = ".".join(override.path[:depth]) or "the config"
    return ConfigError(Problem("", f"'{override.text}': '{above}' {why}", mark=override.mark))
