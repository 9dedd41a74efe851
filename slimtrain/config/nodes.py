"""The config as a tree of nodes: YAML values that remember where they were written."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from slimtrain.config.values import show
from slimtrain.errors import Mark

TEXT_SIZE = 100
"""Characters of a text that count as a value of their own, since a long text that is named often grows too."""
Scalar: TypeAlias = None | bool | int | float | str


class Key(str):
    """A mapping's key, with its place."""

    mark: Mark

    def __new__(cls, text: str, mark: Mark) -> "Key":
        key = super().__new__(cls, text)
        key.mark = mark
        return key


@dataclass(frozen=True)
class Node:
    """One value of a config: a scalar, a list of nodes, or a mapping from keys to nodes; and its place.

    `param` is the param whose value it is, where it stands for one.
    """

    value: "Scalar | tuple[Node, ...] | dict[Key, Node]"
    mark: Mark
    param: str = ""

    @property
    def mapping(self) -> "dict[Key, Node] | None":
        return self.value if isinstance(self.value, dict) else None

    @property
    def sequence(self) -> "tuple[Node, ...] | None":
        return self.value if isinstance(self.value, tuple) else None

    @property
    def text(self) -> str | None:
        return self.value if isinstance(self.value, str) else None

    def get(self, key: str) -> "Node | None":
        """The mapping's value under a key, or None."""
        return self.value.get(key) if isinstance(self.value, dict) else None  # type: ignore[call-overload]

    @property
    def what(self) -> str:
        """What the node is, for messages: `a mapping`, `a list`, or the scalar itself."""
        if isinstance(self.value, dict):
            return "a mapping"
        return "a list" if isinstance(self.value, tuple) else show(self.value)

    @cached_property
    def size(self) -> int:
        """How many values it holds, all written out; long texts count as several."""
        texts = self.value if isinstance(self.value, dict) else (self.text or "",)
        return 1 + sum(len(text) // TEXT_SIZE for text in texts) + sum(child.size for child in self.children)

    @cached_property
    def depth(self) -> int:
        """How many levels it has."""
        return 1 + max((child.depth for child in self.children), default=0)

    @property
    def children(self) -> "tuple[Node, ...]":
        """The values of a mapping, the items of a list."""
        return tuple(self.value.values()) if isinstance(self.value, dict) else self.sequence or ()


def plain(node: Node) -> Any:
    """The node as ordinary Python values: dict, list, scalar."""
    if isinstance(node.value, dict):
        return {str(k): plain(v) for k, v in node.value.items()}
    return [plain(v) for v in node.value] if isinstance(node.value, tuple) else node.value


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def make(value: Any, mark: Mark) -> Node:
    """Ordinary Python values as a node, all of it at one place."""
    if isinstance(value, Node):
        return value
    if isinstance(value, dict):
        return Node({Key(k, mark): make(v, mark) for k, v in value.items()}, mark)
    return Node(tuple(make(v, mark) for v in value) if isinstance(value, (list, tuple)) else value, mark)


def in_order(first: dict[Key, Node], merged: dict[Key, Node]) -> dict[Key, Node]:
    """The merged mapping in the order of the first, then of what came to it."""
    keys = {**{str(k): k for k in first}, **{str(k): k for k in merged}}
    return {key: merged[key] for key in keys.values() if key in merged}
