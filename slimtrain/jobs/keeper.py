"""What a run keeps while it trains: metrics lines, checkpoints, which of them is best.

Checkpoints are written by a thread: `save` copies the state and returns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any, Literal

import numpy as np

from slimtrain.config.document import Document
from slimtrain.errors import Problem
from slimtrain.jobs import diverged
from slimtrain.jobs.exactness import CIRCUMSTANCES, circumstances
from slimtrain.jobs.feed import Feed
from slimtrain.jobs.saving import Saver
from slimtrain.jobs.talk import Talk
from slimtrain.store import checkpoint, metrics
from slimtrain.store import diverged as records
from slimtrain.store.diverged import Kept
from slimtrain.store.rundir import RunDir
from slimtrain.train.objective import objective
from slimtrain.train.state import Named, to_arrays
from slimtrain.train.step import State


@dataclass
class Keeper:
    """The open books of a run. `lines` holds what metrics.jsonl holds, so that a resumed run knows what is done.

    `batches` makes the batches of skipped steps again, which are kept once each; None where there are none.
    """

    run: RunDir
    keep: int
    judge: str
    higher: bool
    write_line: Callable[[Mapping[str, Any]], None]
    saver: Saver
    lines: list[dict[str, Any]] = field(default_factory=list)
    batches: Feed | None = None
    kept: set[int] = field(default_factory=set)

    @staticmethod
    @contextmanager
    def open(run: RunDir, document: Document, step: int, batches: Feed | None = None) -> "Iterator[Keeper]":
        """The books of a run that goes on at `step`: what was written of later steps is dropped, it comes again."""
        metrics.truncate_after(run, step)
        checkpoint.drop_after(run, step)
        records.drop_after(run, step)
        judge, higher = judged_by(document)
        with metrics.open_metrics(run) as write, Saver.open() as saver:
            lines, kept = metrics.read(run), set(records.steps_of(run))
            keeper = Keeper(run, document.train.keep, judge, higher, write, saver, lines, batches, kept)
            keeper.settle(step)
            yield keeper

    def write(self, record: Mapping[str, Any]) -> None:
        """Adds a line to metrics.jsonl."""
        self.write_line(record)
        self.lines.append(dict(record))

    def evaluated(self, step: int) -> bool:
        """Whether there is a line of an evaluation at this step."""
        return any("eval/loss" in line and line["step"] == step for line in self.lines)

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

    def settle(self, step: int) -> None:
        """Makes up for what a run that died after its checkpoint of this step did not come to: pointers, pruning."""
        _settle(self.run, self.keep, step, self.best_step())

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

    def rehearse(self, state: State, talk: Talk) -> None:
        """Starts to try whether a state as large as this can be saved where the run is; warns where room is short."""
        self.saver.start(partial(_rehearse, self.run, self.keep, int(state.step), to_arrays(state), talk))

    def save(self, state: State, step: int) -> Path:
        """Starts writing a checkpoint of a copy of the state, when the one before is written; gives where it goes.

        Raises:
            WriteError: the one before could not be written.
        """
        facts = {"seed": int(state.seed), CIRCUMSTANCES: circumstances()}
        work = partial(_save, self.run, self.keep, step, to_arrays(state), facts, self.best_step())
        self.saver.start(partial(_in_order, self.run, self._skipped(state), work))
        return checkpoint.path_of(self.run, step)

    def _skipped(self, state: State) -> list[Kept]:
        """Records of the first skipped steps of a state that are not kept yet."""
        if state.skips is None or self.batches is None:
            return []
        steps = {int(step) for step in np.asarray(state.skips.first) if step} - self.kept
        self.kept |= steps
        return [kept for step in sorted(steps) if (kept := diverged.skipped_at(step, self.batches)) is not None]

    def check(self) -> None:
        """Raises WriteError where a checkpoint could not be written; does not wait for one that is under way."""
        self.saver.check()

    def finish(self) -> None:
        """Waits until checkpoints are written; raises WriteError where one could not be."""
        self.saver.finish()


def _in_order(run: RunDir, batches: Sequence[Kept], save: Callable[[], None]) -> None:
    """Writes the batches of skipped steps, then the checkpoint that counts these."""
    for kept in batches:
        diverged.keep(run, kept)
    save()


def _rehearse(run: RunDir, keep: int, step: int, arrays: Named, talk: Talk) -> None:
    size, free = checkpoint.rehearse(run, step, arrays, {}), checkpoint.room(run)
    # Beside the newest there are the best one and the one that is being written.
    if free < size * (most := keep + 2):
        told = f"{_megabytes(free)} are free, and there may be {most} checkpoints of {_megabytes(size)}"
        talk.warn([Problem(str(run.path), told, "free some space, or lower train.keep", severity="warning")])


def _megabytes(number: int) -> str:
    return f"{number / 1e6:.3g} MB"


def _save(run: RunDir, keep: int, step: int, arrays: Named, facts: Mapping[str, Any], best: int | None) -> None:
    """Writes a checkpoint, then moves `last` (and `best`), then prunes; a reader never sees half of it."""
    metrics.sync(run)  # what a resume from here would not write again
    checkpoint.save(run, step, arrays, facts)
    _settle(run, keep, step, best)


def _settle(run: RunDir, keep: int, last: int, best: int | None) -> None:
    pointers: dict[Literal["last", "best"], int | None] = {"last": last, "best": best}
    for which, step in pointers.items():
        if step is not None and (path := checkpoint.of_step(run, step)) is not None:
            checkpoint.point(run, which, path)
    checkpoint.prune(run, keep)


def judged_by(document: Document) -> tuple[str, bool]:
    """(what says which checkpoint is best, whether higher is better): the first metric that can, or the loss."""
    for name, component in objective((), document.metrics, document.catalog).metrics:
        better = document.catalog.kind("metric")[component.name].description.facts["better"]
        average = component.arguments.get("average")
        if better is not None and (average is None or average.value != "none"):
            return name, better == "max"
    return "loss", False
