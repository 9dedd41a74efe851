"""The first number that is not finite in a step that was taken again: which end point, loss, gradient or moment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from slimtrain.net.passes import Declaration
from slimtrain.train.replay import Look, Part, Update
from slimtrain.train.step import Task


@dataclass(frozen=True)
class Finding:
    """What is not finite first. `stage` is forward, statistics, loss, backward, clipping, optimizer or weights.

    `kind` says what `name` names, `line` is its place in the config. Backward, the gradient came out of `through`,
    which is the last end point, seen from the loss, whose own gradient is finite; nothing where that is the loss.
    `examples` are numbers of examples, from 0, in the training split (in the batch where that is not known): those
    that it is not finite for, where that can be told. `largest` is the largest size among the finite ones.
    """

    stage: str
    kind: str
    name: str
    line: str
    through: str = ""
    through_line: str = ""
    examples: tuple[int, ...] = ()
    largest: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where names stand: the network, the task, lines by layer, and which examples the batch holds.

    `offset` and `size` say which part of the batch a pass had; a size of 0 stands for all of it.
    """

    declaration: Declaration
    task: Task
    lines: Mapping[str, str]
    numbers: Sequence[int] | None = None
    offset: int = 0
    size: int = 0

    def line(self, path: str) -> str:
        """The line of the layer at a path, or of the one that it is inside of."""
        parts = path.split("/")
        around = ["/".join(parts[:number]) for number in range(len(parts), 0, -1)]
        own = {e.path: e.line for e in self.declaration.end_points}
        return next((table[inner] for table in (self.lines, own) for inner in around if inner in table), "")

    def points(self) -> list[str]:
        """The paths of end points in the order in which they come about, each once."""
        named = [e for e in self.declaration.end_points if e.name == e.path and e.name != "__output__"]
        return list(dict.fromkeys(e.name for e in named))

    def examples(self, rows: np.ndarray) -> tuple[int, ...]:
        """The numbers of the examples in these rows of a batch."""
        chosen = (np.flatnonzero(rows) + self.offset).tolist()
        numbers = self.numbers or ()
        return tuple(numbers[row] if row < len(numbers) else row for row in chosen)

    def found(self, stage: str, kind: str, name: str, look: Look, **more: Any) -> Finding:
        """A finding, with the line of its name."""
        tells = kind == "end_point" and self.size == len(look.bad)
        rows = self.examples(np.asarray(look.bad)) if tells else ()
        line = more.pop("line", None) or self.line(name)
        return Finding(stage, kind, name, line, examples=rows, largest=float(look.largest), **more)


def bad(look: Look | None) -> bool:
    """Whether an array has numbers that are not finite."""
    return look is not None and bool(look.bad.any())


def found_forward(part: Part, place: Place) -> Finding | None:
    """The first end point that is not finite, else a statistic, a loss, a regularization loss."""
    for name in place.points():
        if bad(look := part.end_points.get(name)):
            assert look is not None
            return place.found("forward", "end_point", name, look)
    for name, one in part.statistics.items():
        if bad(one):
            return place.found("statistics", "variable", name, one)
    for name, one in part.penalties.items():
        if bad(one):
            return place.found("loss", "regularization", name, one)
    return _found_loss(part, place) if bad(part.loss) else None


def _found_loss(part: Part, place: Place) -> Finding:
    losses = dict(place.task.objective.losses)
    told = {name.removeprefix("losses/"): one for name, one in part.terms.items() if bad(one)}
    name = next((n for n in losses if n in told), next(iter(losses)))
    mark = losses[name].mark
    return place.found("loss", "loss", name, part.loss, line=mark.short if mark else "")


def found_backward(part: Part, place: Place) -> Finding | None:
    """The first gradient, from the loss back, that is not finite."""
    through = ""
    for kind, name in backward(place.points(), list(part.gradients_of)):
        look = (part.gradients_at if kind == "end_point" else part.gradients_of).get(name)
        if bad(look):
            assert look is not None
            more = {"through": through, "through_line": place.line(through)} if kind == "end_point" else {}
            return place.found("backward", kind, name, look, **more)
        if kind == "end_point" and look is not None:
            through = name
    return None


def backward(points: Sequence[str], variables: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(end_point or variable, name) from the loss back; variables come after all end points of their layer."""
    layer = {v: max((p for p in points if v.startswith(f"{p}/")), key=len, default="") for v in variables}
    first: dict[str, int] = {}
    for number, name in enumerate(points):
        for owner in set(layer.values()):
            if name == owner or name.startswith(f"{owner}/"):
                first.setdefault(owner, number)
    for number in range(len(points) - 1, -1, -1):
        yield "end_point", points[number]
        yield from (("variable", v) for v in variables if first.get(layer[v]) == number)
    yield from (("variable", v) for v in variables if layer[v] not in first)


def found_in_update(update: Update, place: Place) -> Finding | None:
    """What is not finite first of what becomes of the gradients."""
    groups = (
        ("clipping", "variable", update.clipped),
        ("optimizer", "moment", update.moments),
        ("weights", "variable", update.weights),
        ("weights", "average", update.averages),
    )
    for stage, kind, looks in groups:
        for name, look in looks.items():
            if bad(look):
                return place.found(stage, kind, name, look, line=place.line(_variable(name, place)))
    return None


def _variable(name: str, place: Place) -> str:
    """The variable that a moment belongs to: `0/square/conv1/weights` ends in its name."""
    return max((v for v in place.task.specs if name == v or name.endswith(f"/{v}")), key=len, default=name)
