"""What a config becomes: components and plans, frozen, every value with its origin."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from slimtrain.errors import COMMAND_LINE, Mark

OriginKind: TypeAlias = Literal["default", "scope", "call", "config"]


@dataclass(frozen=True)
class Origin:
    """Where a value was set: a function's default, an arg scope, the call, or elsewhere in the config.

    `param` is the param that stands there, `written` where that got its value.
    """

    kind: OriginKind
    mark: Mark | None = None
    param: str = ""
    written: Mark | None = None

    def __str__(self) -> str:
        if self.mark is None:
            return "default"
        at = COMMAND_LINE if self.mark.file == COMMAND_LINE else f"{self.kind} at {self.mark.short}"
        return f"{at}, ${self.param} at {self.written.short}" if self.written else at


@dataclass(frozen=True)
class Argument:
    """A resolved argument. `chain` holds all that set it, the winner last, each with the value as written."""

    value: Any
    origin: Origin
    chain: tuple[tuple[Origin, Any], ...] = ()


@dataclass(frozen=True)
class Component:
    """A registered function with its arguments: an `l2`, a `batch_norm` inside a `conv2d`, a loss."""

    kind: str
    name: str
    arguments: Mapping[str, Argument]
    mark: Mark | None = None

    def value(self, name: str) -> Any:
        return self.arguments[name].value


@dataclass(frozen=True)
class Words:
    """What every item takes besides its op's arguments; `inputs` and `alias` are full end-point names."""

    inputs: tuple[str, ...] = ()
    alias: tuple[str, ...] = ()
    reuse: bool = False
    outputs_collections: tuple[str, ...] = ()
    variables_collections: Any = ()
    trainable: bool = True
    remat: bool = False
    arguments: Mapping[str, Argument] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerPlan:
    """One layer: its op with every argument, and the scope path that its variables and end point carry."""

    op: Component
    path: str
    words: Words
    mark: Mark

    @property
    def normalizer(self) -> Component | None:
        """The normalizer that runs inside the layer, if there is one."""
        argument = self.op.arguments.get("normalizer_fn")
        return argument.value if argument is not None and isinstance(argument.value, Component) else None


@dataclass(frozen=True)
class GroupPlan:
    """Items that run together: a block, a tap, or a join of branches. `path` is '' where no scope was given.

    `join` is None for blocks and taps, which have one branch; `listed`: its output is an end point.
    """

    kind: Literal["block", "tap", "join"]
    branches: "tuple[tuple[Item, ...], ...]"
    path: str
    words: Words
    mark: Mark
    join: Component | None = None
    listed: bool = True


Item: TypeAlias = LayerPlan | GroupPlan


@dataclass(frozen=True)
class Plan:
    """A network, resolved: its items in order, its root scope, the shape and type of one input example."""

    items: tuple[Item, ...]
    scope: str
    input_shape: tuple[int, ...] | None
    input_dtype: str
    mark: Mark

    def layers(self) -> Iterator[LayerPlan]:
        """Every layer, in order of creation."""
        return _layers(self.items)


def _layers(items: tuple[Item, ...]) -> Iterator[LayerPlan]:
    for item in items:
        if isinstance(item, LayerPlan):
            yield item
        else:
            for branch in item.branches:
                yield from _layers(branch)
