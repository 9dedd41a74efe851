"""What a run keeps while it trains: metrics lines, checkpoints, which of them is best."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

from slimtrain.config.document import Document
from slimtrain.store import checkpoint, metrics
from slimtrain.store.rundir import RunDir
from slimtrain.train.devices import environment
from slimtrain.train.objective import objective
from slimtrain.train.state import to_arrays
from slimtrain.train.step import State


@dataclass
class Keeper:
    """The open books of a run. `lines` holds what metrics.jsonl holds, so that a resumed run knows what is done."""

    run: RunDir
    keep: int
    judge: str
    higher: bool
    write_line: Callable[[Mapping[str, Any]], None]
    lines: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    @contextmanager
    def open(run: RunDir, document: Document, step: int) -> "Iterator[Keeper]":
        """The books of a run that goes on at `step`: lines and checkpoints after it are dropped, they come again."""
        metrics.truncate_after(run, step)
        checkpoint.drop_after(run, step)
        judge, higher = judged_by(document)
        with metrics.open_metrics(run) as write:
            keeper = Keeper(run, document.train.keep, judge, higher, write, metrics.read(run))
            keeper.repoint()
            yield keeper

    def write(self, record: Mapping[str, Any]) -> None:
        """Adds a line to metrics.jsonl."""
        self.write_line(record)
        self.lines.append(dict(record))

    def evaluated(self, step: int) -> bool:
        """Whether there is a line of an evaluation at this step."""
        return any(line["step"] == step and "eval/loss" in line for line in self.lines)

    def best_step(self) -> int | None:
        """The step of the best evaluation so far; the earlier of two equal ones."""
        key = f"eval/{self.judge}"
        judged = [(line[key], line["step"]) for line in self.lines if key in line and not isnan(line[key])]
        if not judged:
            return None
        best: int = (max if self.higher else min)(judged, key=lambda pair: pair[0])[1]
        return best

    def waited(self) -> int:
        """How many evaluations there were since the best one."""
        best = self.best_step()
        return sum(1 for line in self.lines if "eval/loss" in line and (best is None or line["step"] > best))

    def repoint(self) -> None:
        """Lets `best` name the best evaluation's checkpoint, where there is one."""
        best = self.best_step()
        if best is not None and (path := checkpoint.of_step(self.run, best)) is not None:
            checkpoint.point(self.run, "best", path)

    def is_best(self, step: int) -> bool:
        """Whether the best evaluation so far is this step's."""
        return self.best_step() == step

    def last_metrics(self) -> dict[str, Any]:
        """The metrics of the last evaluation, or of the last training line where there was none."""
        for kind in ("eval/", "train/"):
            for line in reversed(self.lines):
                if found := {n.removeprefix("eval/"): v for n, v in line.items() if n.startswith(kind)}:
                    return found
        return {}

    def save(self, state: State, step: int) -> Path:
        """Writes a checkpoint, then moves `last` (and `best`), then prunes; a reader never sees half of it."""
        facts = {"seed": int(state.seed), **environment()}
        path = checkpoint.save(self.run, step, to_arrays(state), facts)
        checkpoint.point(self.run, "last", path)
        self.repoint()
        checkpoint.prune(self.run, self.keep)
        return path


def judged_by(document: Document) -> tuple[str, bool]:
    """(what says which checkpoint is best, whether higher is better): the first metric that can, or the loss."""
    for name, component in objective((), document.metrics, document.catalog).metrics:
        better = document.catalog.kind("metric")[component.name].description.facts["better"]
        average = component.arguments.get("average")
        if better is not None and (average is None or average.value != "none"):
            return name, better == "max"
    return "loss", False
