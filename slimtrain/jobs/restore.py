"""Where weights and states come from: checkpoints of a run, weight files, a fresh start."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os.path import isdir
from pathlib import Path
from typing import Any

import numpy as np

from slimtrain.config.patterns import matching
from slimtrain.errors import CheckpointError, Mark, Problem
from slimtrain.jobs.misfits import misfits
from slimtrain.net.scope import VarSpec
from slimtrain.store import checkpoint
from slimtrain.store.manifest import Manifest
from slimtrain.store.rundir import RunDir, open_run
from slimtrain.train.state import from_arrays
from slimtrain.train.step import State, Task, blank

Weights = dict[str, Any]


@dataclass(frozen=True)
class Filter:
    """Which variables `--include` and `--exclude` leave; `where` and `mark` tell where else the patterns were given."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    where: str = "--"
    mark: Mark | None = None

    def names(self, names: Iterable[str]) -> list[str]:
        """The names that are left; raises ConfigError for patterns that match nothing."""
        names = list(names)
        kept = matching(self.include, names, f"{self.where}include", self.mark) if self.include else names
        gone = set(matching(self.exclude, names, f"{self.where}exclude", self.mark)) if self.exclude else set()
        return [n for n in kept if n not in gone]


EVERY = Filter()


def load_state(task: Task, path: Path) -> tuple[State, Manifest]:
    """The state of a checkpoint, in the task's form, and its manifest; CheckpointError where it does not fit."""
    arrays, manifest = checkpoint.load(path)
    try:
        state = from_arrays(arrays, blank(task))
    except CheckpointError as error:
        raise CheckpointError(*(replace(problem, where=str(path)) for problem in error.problems)) from error
    if int(state.step) != manifest["step"]:
        told = f"holds step {int(state.step)}, and its manifest says {manifest['step']}"
        raise CheckpointError(Problem(str(path), told))
    return state, manifest


def weights_from(path: Path, which: str = "last", averages: bool = True) -> Weights:
    """Variables by name: of a run's checkpoint, a checkpoint's directory, an `.npz` or a `.safetensors` file.

    Args:
        path: the run, directory or file.
        which: `best`, `last` or a step of a run.
        averages: take the moving averages where the run kept them (`train.ema`).
    """
    if not isdir(path):
        return checkpoint.read_weights(path)
    folder = path if (path / "manifest.json").exists() else checkpoint.find(open_run(path), which)
    return variables_of(checkpoint.load(folder)[0], averages)


def variables_of(arrays: Mapping[str, Any], averages: bool = True) -> Weights:
    """The variables among a checkpoint's arrays, by variable name: their moving averages, if wanted and there."""
    kinds = ("parameters/", "statistics/", *(["averages/"] if averages else []))  # the later one wins
    return {n[len(k) :]: v for k in kinds for n, v in arrays.items() if n.startswith(k)}


def fit_weights(
    specs: Mapping[str, VarSpec], given: Mapping[str, Any], source: str, chosen: Filter | None = None
) -> Weights:
    """The arrays for these variables, as they declare them.

    Args:
        specs: the variables.
        given: the arrays by name; others among them are left.
        source: where they are from, for errors.
        chosen: what chose the variables, where one that does not fit may be left out.

    Raises:
        CheckpointError: variables that are missing or do not fit, all of them.
    """
    if problems := misfits(specs, given, source, partial(_left_out, chosen)):
        raise CheckpointError(*problems)
    return {n: np.asarray(given[n], spec.dtype) for n, spec in specs.items()}


def _left_out(chosen: Filter | None, scopes: Sequence[str]) -> str:
    """How to start the variables of these scopes fresh, as it was asked: to be pasted."""
    if chosen is None:
        return ""
    start = f"start {'it' if len(scopes) == 1 else 'them'} fresh with"
    if chosen.where == "--":
        return f"{start} {' '.join(f'--exclude {scope}/' for scope in scopes)}"
    return f"{start} {chosen.where}exclude: [{', '.join(f'{scope}/' for scope in scopes)}]"


def resume_point(run: RunDir, where: str) -> tuple[Path | None, list[str]]:
    """(the checkpoint to go on from, sentences about those that were refused); None where a run has none yet.

    Args:
        run: the run that goes on.
        where: '' for its own newest good one; otherwise a checkpoint's or another run's directory, or a step.
    """
    if not where:
        found = checkpoint.newest_verified(run)
        return (None, []) if found is None else found
    path = Path(where)
    if where.isdigit() and not path.exists():
        return checkpoint.find(run, where), []
    if not path.is_dir():
        raise CheckpointError(Problem(where, "no checkpoint or run directory", "give its path, or '--resume' alone"))
    if (path / "manifest.json").exists():
        return path, []
    other = checkpoint.newest_verified(open_run(path))
    if other is None:
        raise CheckpointError(Problem(where, "the run has no checkpoint yet"))
    return other
