"""The strict reader: YAML 1.2 scalars, every node with its place, limits before anything walks the tree.

PyYAML's parser gives events; nodes are composed here, so that depth, node count and what aliases expand to
are bounded as the text is read, duplicate keys are errors, and `1e-3`, `no` and `010` mean what YAML 1.2
says.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from slimtrain.config.nodes import TEXT_SIZE, Key, Node, Scalar
from slimtrain.errors import ConfigError, Mark, Problem
from slimtrain.wire.regular import NO_FILE, opened

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 50_000
MAX_DIGITS = 19

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_INF = re.compile(r"([-+]?)\.(?:inf|Inf|INF)\Z")
_NAN = re.compile(r"\.(?:nan|NaN|NAN)\Z")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_TYPES: dict[str | None, tuple[type, ...]] = {
    _TAG + "int": (int,),
    _TAG + "float": (int, float),
    _TAG + "bool": (bool,),
    _TAG + "null": (type(None),),
}


def read_file(path: Path) -> Node:
    """The config text of a file as a node; raises ConfigError for text that is no strict YAML 1.2."""
    return read_text(_bytes_of(path), str(path), path.parent)


def read_text(data: bytes | str, name: str, folder: Path = Path("."), line: int = 0, column: int = 0) -> Node:
    """YAML text as a node, null where there is none; `line` and `column` are added to every place in it."""
    if len(data) > MAX_BYTES:
        raise ConfigError(
            Problem(name, f"{len(data)} bytes; a config has at most {MAX_BYTES}", "split it with 'extends'")
        )
    text = _decode(data, name) if isinstance(data, bytes) else data
    reader = _Reader(name, folder, line, column)
    try:
        return reader.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        problem = Problem("", _yaml_sentence(error), mark=reader.mark(error.problem_mark))
        raise ConfigError(*reader.problems, problem) from None
    except yaml.YAMLError as error:
        raise ConfigError(Problem(name, f"not YAML: {_first_line(error)}", "save it as UTF-8 text")) from None
    except (ValueError, IndexError, OverflowError, RecursionError) as error:
        raise ConfigError(Problem(name, f"not YAML: {_first_line(error)}")) from None


def _bytes_of(path: Path) -> bytes:
    try:
        with opened(path) as file:
            data: bytes | None = file.read(MAX_BYTES + 1)
        if data is None:
            raise OSError(0, NO_FILE)
        return data
    except OSError as error:
        hint = "write a starter config with 'slimtrain init'" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(Problem(str(path), f"cannot be read: {error.strerror or error}", hint)) from None


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(Problem(name, f"not UTF-8 text (byte {error.start})", "save it as UTF-8")) from None


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0] or type(error).__name__


def _yaml_sentence(error: yaml.MarkedYAMLError) -> str:
    parts = [p for p in (error.context, error.problem) if p]
    tab = "; indent with spaces, not tabs" if "'\\t'" in (error.problem or "") else ""
    return "not YAML: " + ", ".join(parts) + tab


def scalar(text: str, mark: Mark) -> Scalar:
    """A plain (unquoted) scalar by YAML 1.2's core schema."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text[0] in "tT"
    if _INT.match(text):
        return _whole(text, mark)
    if _FLOAT.match(text):
        return float(text)
    if infinite := _INF.match(text):
        return float(infinite[1] + "inf")
    return float("nan") if _NAN.match(text) else text


def _whole(text: str, mark: Mark) -> int:
    if len(text.lstrip("-+0")) > MAX_DIGITS:
        raise ConfigError(Problem("", f"whole number of {len(text)} digits; at most {MAX_DIGITS} are read", mark=mark))
    if base := {"0o": 8, "0x": 16}.get(text[:2]):
        return int(text, base)
    sign = -1 if text.startswith("-") else 1
    return sign * int(text.lstrip("-+0") or "0")


class _Reader:
    """Composes nodes from parser events, counting as it goes; lives for one text."""

    def __init__(self, name: str, folder: Path, line: int, column: int) -> None:
        self.name, self.folder, self.line, self.column = name, folder, line, column
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.count = 0
        self.problems: list[Problem] = []

    def mark(self, at: Any) -> Mark:
        line, column = (at.line, at.column) if at else (0, 0)
        return Mark(self.name, line + 1 + self.line, column + 1 + (self.column if line == 0 else 0), self.folder)

    def fail(self, what: str, at: Any, hint: str = "") -> ConfigError:
        return ConfigError(*self.problems, Problem("", what, hint, self.mark(at)))

    def document(self, events: Iterator[Any]) -> Node:
        node: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    raise self.fail("a second document ('---')", event.start_mark, "one config a file; use 'extends'")
                node = self.node(next(events), events, 1)
        if self.problems:
            raise ConfigError(*self.problems)
        return node or Node(None, self.mark(None))

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        self.counted(1, event)
        if depth > MAX_DEPTH:
            raise self.fail(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        before = self.count
        self.counted(len(event.value) // TEXT_SIZE if isinstance(event, yaml.ScalarEvent) else 0, event)
        node = Node(self.value(event, events, depth), self.mark(event.start_mark))
        if event.anchor:
            self.anchors[event.anchor] = (node, self.count - before + 1)
        return node

    def counted(self, nodes: int, event: Any) -> None:
        self.count += nodes
        if self.count > MAX_NODES:
            raise self.fail(f"more than {MAX_NODES} values, aliases expanded", event.start_mark)

    def alias(self, event: Any) -> Node:
        if event.anchor not in self.anchors:
            raise self.fail(f"alias '*{event.anchor}' names no earlier anchor", event.start_mark)
        node, size = self.anchors[event.anchor]
        self.counted(size, event)
        return node

    def value(self, event: Any, events: Iterator[Any], depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        self.plain_tag(event, "seq" if isinstance(event, yaml.SequenceStartEvent) else "map")
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(events, depth)
        return self.mapping(events, depth)

    def plain_tag(self, event: Any, *known: str) -> None:
        if event.tag not in (None, "!", *(_TAG + k for k in known)):
            raise self.fail(f"tag '{event.tag}'", event.start_mark, "a config holds plain values only; remove the tag")

    def scalar(self, event: Any) -> Scalar:
        self.plain_tag(event, "str", "int", "float", "bool", "null")
        if _NO_TEXT.search(event.value):
            raise self.fail("text that holds a NUL or half a character", event.start_mark, "remove the escape")
        if event.tag in ("!", _TAG + "str") or not (event.implicit[0] or event.tag):
            return str(event.value)
        value = scalar(event.value, self.mark(event.start_mark))
        if event.tag and type(value) not in _TYPES[event.tag]:
            raise self.fail(f"'{event.value}' is no {event.tag.removeprefix(_TAG)}", event.start_mark)
        return value

    def sequence(self, events: Iterator[Any], depth: int) -> tuple[Node, ...]:
        ends = iter(lambda: next(events), None)
        items = []
        for event in ends:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self.node(event, events, depth + 1))
        return tuple(items)

    def mapping(self, events: Iterator[Any], depth: int) -> dict[Key, Node]:
        found: dict[Key, Node] = {}
        keys: dict[Key, Key] = {}
        for event in iter(lambda: next(events), None):
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self.key(event)
            value = self.node(next(events), events, depth + 1)
            if key in found:
                self.duplicate(key, keys[key])
            found[key] = value
            keys.setdefault(key, key)
        return found

    def key(self, event: Any) -> Key:
        if not isinstance(event, yaml.ScalarEvent):
            raise self.fail("a list, mapping or alias as a key", event.start_mark, "keys are plain words")
        self.counted(1 + len(event.value) // TEXT_SIZE, event)
        self.scalar(event)
        key = Key(event.value, self.mark(event.start_mark))
        if key == "<<" and event.style is None:
            hint = "use 'extends', a named scope or a block instead"
            self.problems.append(Problem("", "merge key '<<' is not YAML 1.2", hint, key.mark))
        return key

    def duplicate(self, key: Key, first: Key) -> None:
        what = f"duplicate key '{key}'; it stands at line {first.mark.line} too"
        self.problems.append(Problem("", what, "keep one of them", key.mark))
