"""Plain values as YAML text that the strict reader reads back as they were, with remarks behind them if wanted."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf, isnan
from typing import Any

from slimtrain.config.text import scalar
from slimtrain.errors import Mark

_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./-]*\Z")
_UNREADABLE = re.compile("[\x7f-\x9f\ufffe\uffff]")
"""Characters that JSON leaves as they are and YAML does not take."""
_NOWHERE = Mark("", 0, 0)


@dataclass(frozen=True)
class Leaf:
    """A scalar or a list of scalars, with the remark that may stand behind it."""

    value: Any
    remark: str = ""


def dump(tree: Any, remarks: bool = False) -> str:
    """A tree of mappings, lists and Leaf values as YAML text; `remarks` writes their remarks as comments."""
    lines = list(_lines(tree, remarks))
    width = max((len(text) for text, remark in lines if remark), default=0)
    return "".join(f"{text:<{min(width, 60)}}  # {remark}\n" if remark else f"{text}\n" for text, remark in lines)


def _lines(tree: Any, remarks: bool) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _entry(f"{text(str(key))}:", value, remarks)
    elif isinstance(tree, list) and tree:
        for value in tree:
            yield from _item(value, remarks)
    else:
        yield _leaf("", tree, remarks)


def _entry(key: str, value: Any, remarks: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, (dict, list)) and value:
        yield key, ""
        indent = "  " if isinstance(value, dict) else ""
        yield from ((indent + line, remark) for line, remark in _lines(value, remarks))
    else:
        yield _leaf(key + " ", value, remarks)


def _item(value: Any, remarks: bool) -> Iterator[tuple[str, str]]:
    for number, (line, remark) in enumerate(_lines(value, remarks)):
        yield ("  " if number else "- ") + line, remark


def _leaf(before: str, value: Any, remarks: bool) -> tuple[str, str]:
    leaf = value if isinstance(value, Leaf) else Leaf(value)
    return before + text(leaf.value), leaf.remark if remarks else ""


def text(value: Any) -> str:
    """A scalar, or a list or mapping in flow style, as the strict reader reads it."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(text, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(str(k))}: {text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        plain = _PLAIN.match(value) and isinstance(scalar(value, _NOWHERE), str)
        return value if plain else _UNREADABLE.sub(_escaped, json.dumps(value, ensure_ascii=False))
    return json.dumps(value)


def _escaped(character: re.Match[str]) -> str:
    return f"\\u{ord(character[0]):04x}"


def _float(value: float) -> str:
    if isnan(value):
        return ".nan"
    return ("-.inf" if value < 0 else ".inf") if isinf(value) else repr(value)
