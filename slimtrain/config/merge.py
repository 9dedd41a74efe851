"""One tree from several texts: `extends` puts earlier files under a config, overrides go on top."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path

from slimtrain.config.nodes import Key, Node
from slimtrain.config.text import read_file, read_text
from slimtrain.errors import COMMAND_LINE, ConfigError, Mark, Problem, did_you_mean

MAX_FILES = 32
Known = Callable[[tuple[str, ...]], Iterable[str]]


def load(path: Path, overrides: Iterable[str] = (), known: Known = lambda path: ()) -> Node:
    """The config of a file with all that it extends, and the command line's overrides on top.

    Args:
        path: the config file.
        overrides: `a.b=value`, `+a.b=value`, `~a.b`, in order.
        known: the keys that may stand under a path even where the config has none yet.

    Raises:
        ConfigError: text that can't be read, `extends` that is circular, overrides that name nothing.
    """
    node = extended(path)
    problems: list[Problem] = []
    for number, text in enumerate(overrides, 1):
        try:
            node = apply_override(node, parse_override(text, number), known)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return node


def extended(path: Path, above: tuple[Path, ...] = (), done: dict[str, Node] | None = None) -> Node:
    """A file's config over those that it extends; `done` are those that were read before."""
    done = {} if done is None else done
    real = realpath(path)
    if real in map(realpath, above):
        chain = " -> ".join(p.name for p in (*above, path))
        raise ConfigError(Problem(str(path), f"extends itself: {chain}"))
    if len(above) >= MAX_FILES:
        raise ConfigError(Problem(str(path), f"'extends' goes deeper than {MAX_FILES} files"))
    if real in done:
        return done[real]
    node = read_file(path)
    if node.value is not None and node.mapping is None:
        raise ConfigError(Problem("", f"a config is a mapping, got {node.what}", mark=node.mark))
    merged = Node({}, node.mark)
    for base in _bases(node):
        merged = merge(merged, extended(base, (*above, path), done))
    own = {k: v for k, v in (node.mapping or {}).items() if k != "extends"}
    done[real] = merge(merged, Node(own, node.mark))
    return done[real]


def _bases(node: Node) -> list[Path]:
    entry = node.get("extends")
    if entry is None:
        return []
    names = entry.sequence if entry.sequence is not None else (entry,)
    if wrong := next((n for n in names if n.text is None), None):
        raise ConfigError(
            Problem("extends", f"expected a file name or a list of them, got {wrong.what}", mark=wrong.mark)
        )
    return [n.mark.folder / str(n.text) for n in names]


def merge(lower: Node, upper: Node) -> Node:
    """`upper` over `lower`: mappings merge, everything else is replaced."""
    below, above = lower.mapping, upper.mapping
    if below is None or above is None:
        return upper
    merged = {k: v for k, v in below.items() if k not in above}
    for key, value in above.items():
        merged[key] = merge(below[key], value) if key in below else value
    return Node(dict(_in_order(below, merged)), upper.mark)


def _in_order(first: dict[Key, Node], merged: dict[Key, Node]) -> Iterable[tuple[Key, Node]]:
    keys = {**{str(k): k for k in first}, **{str(k): k for k in merged}}
    return ((key, merged[key]) for key in keys.values() if key in merged)


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
    return Node(dict(_in_order(mapping, changed)), node.mark)


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
