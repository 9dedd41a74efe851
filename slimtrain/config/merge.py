"""One tree from several texts: `extends` puts earlier files under a config, overrides go on top."""

from collections.abc import Iterable
from os.path import realpath
from pathlib import Path

from slimtrain.config.nodes import Node, in_order
from slimtrain.config.overrides import Known, apply_override, parse_override
from slimtrain.config.text import read_file
from slimtrain.errors import ConfigError, Problem

MAX_FILES = 32
ONE_OF = ("optimizer", "learning_rate")
"""Keys whose mapping names one component: another name replaces it, as two would be a mistake."""


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
        replaces = key in ONE_OF and key in below and _names(below[key]) != _names(value)
        merged[key] = merge(below[key], value) if key in below and not replaces else value
    return Node(in_order(below, merged), upper.mark)


def _names(component: Node) -> set[str]:
    return {*map(str, component.mapping)} if component.mapping is not None else {str(component.value)}
