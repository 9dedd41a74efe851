"""Run directories that are damaged at random: whatever is loaded must be, bit for bit, what was once saved.

Each try copies a finished run, damages the copy once to three times, and has it evaluated and resumed as `eval` and
`fit --resume` do, most of them in this process, every fiftieth by whole processes that train to the end.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from soak.damages import KINDS, damaged
from soak.kills import Net, trained
from soak.nets import commands
from soak.tally import Tally, together

from slimtrain.errors import CheckpointError, SlimtrainError
from slimtrain.jobs.begin import Prepared, Request, prepare, resumed_state
from slimtrain.jobs.keeper import Keeper
from slimtrain.jobs.restore import fit_weights, variables_of
from slimtrain.jobs.talk import QUIET
from slimtrain.jobs.target import load
from slimtrain.store import checkpoint
from slimtrain.store.rundir import RunDir, lock
from slimtrain.train.state import to_arrays

WHOLE = 50
"""Of so many tries one is made by whole processes."""
REFUSED = (5, 74)
"""Exit codes that a resume may refuse with; `eval` may find no run at all, which is 2."""
MORE = ("train.keep=3", "train.eval_every=6")


@dataclass(frozen=True)
class Good:
    """The run that is damaged, what its command line is, what training is made of, and its arrays by step."""

    run: RunDir
    words: Sequence[str]
    parts: Prepared
    arrays: dict[int, dict[str, np.ndarray]]

    @property
    def last(self) -> int:
        """The newest step."""
        return max(self.arrays)


def soak(count: int, seed: int, workers: int) -> Tally:
    """So many tries. What a failure was tried on is kept, in the folder that its sentence names."""
    folder, draw = Path(tempfile.mkdtemp(prefix="slimtrain-corruptions-")), random.Random(seed)
    name, words = next(iter(commands(folder).items()))
    good = good_of(trained(folder, name, [*words, *MORE]))
    seeds = [draw.randrange(2**32) for _ in range(count)]
    tally = Tally().take(together((partial(by_processes, good, folder, n) for n in seeds[::WHOLE]), workers))
    tally.take(here(good, folder, n) for number, n in enumerate(seeds) if number % WHOLE)
    if not tally.failures:
        shutil.rmtree(folder)
    return tally


def good_of(net: Net) -> Good:
    """What tries need of a net's whole run."""
    arrays = {step: checkpoint.load(path)[0] for step, path in checkpoint.steps_of(net.run).items()}
    return Good(net.run, net.words, prepare(load(net.words[0], net.words[1:])), arrays)


def here(good: Good, folder: Path, seed: int) -> Tally:
    """A try in this process."""
    run, kinds, before = copied(good, folder / str(seed), seed)
    return counted(kinds, run, seed, [*evaluated(good, run), *resumed(good, run, before)])


def by_processes(good: Good, folder: Path, seed: int) -> Tally:
    """A try by whole processes: `eval`, then `fit --resume` to the end."""
    run, kinds, before = copied(good, folder / str(seed), seed)
    problems = [*ended(["eval", str(run.path)], (0, 2, *REFUSED))]
    code = said(["fit", *good.words, "-q", "--run-dir", str(run.path), "--resume"])[0]
    problems += [] if code == 0 else ended(["fit", *good.words, "--run-dir", str(run.path), "--resume"], REFUSED)
    if code == 0 and before:
        path = checkpoint.of_step(run, good.last)
        problems += [] if path and same(checkpoint.load(path)[0], good.arrays[good.last]) else ["it ended otherwise"]
    return counted(["whole processes"], run, seed, [f"{kinds}: {line}" for line in problems])


def copied(good: Good, path: Path, seed: int) -> tuple[RunDir, list[str], bool]:
    """(a damaged copy, the kinds of damage, whether anything of its checkpoints or pointers is left)."""
    run, draw = RunDir(path), random.Random(seed)
    shutil.copytree(good.run.path, path)
    kinds = sorted({draw.choice(list(KINDS)) for _ in range(draw.choice([1, 1, 1, 2, 3]))})
    for kind in kinds:
        damaged(kind, run, draw)
    left = run.checkpoints.is_dir() and any(p.name.startswith("step_0") for p in run.checkpoints.iterdir())
    return run, kinds, left or os.path.lexists(run.last) or os.path.lexists(run.best)


def counted(kinds: Sequence[str], run: RunDir, seed: int, problems: Sequence[str]) -> Tally:
    """One try, counted under its first kind; the copy goes if all was right."""
    tally = Tally()
    tally.add(kinds[0], f"seed {seed}, {run.path} {list(kinds)}: {'; '.join(problems)}" if problems else "")
    if not problems:
        shutil.rmtree(run.path)
    return tally


def evaluated(good: Good, run: RunDir) -> list[str]:
    """What is wrong with the weights that `eval` would take."""
    try:
        path = checkpoint.find(run, "last")
        weights = fit_weights(good.parts.task.specs, variables_of(checkpoint.load(path)[0]), str(path))
        step = int(path.name.removeprefix("step_"))
    except CheckpointError:
        return []
    except Exception as error:
        return [f"eval: {type(error).__name__}: {error}"]
    saved = good.arrays.get(step, {})
    right = all(
        np.array_equal(array, saved.get(f"parameters/{n}", saved.get(f"statistics/{n}")))
        for n, array in weights.items()
    )
    return [] if right else [f"eval: other weights than were saved at step {step}"]


def resumed(good: Good, run: RunDir, before: bool) -> list[str]:
    """What is wrong with the state that `fit --resume` would go on from, and with what it leaves of the run."""
    document, traces = good.parts.document, traced(run)
    try:
        with lock(run) as held:
            state, told = resumed_state(Request(document, resume=""), good.parts.task, held, QUIET)
            if state is None:
                return ["resume: began anew over what is left"] if before else []
            with Keeper.open(held, document, int(state.step)) as keeper:
                keeper.best_step()
    except SlimtrainError as error:
        named = str(run.path) in str(error)
        return [] if error.exit_code in REFUSED and named else [f"resume: code {error.exit_code}: {error}"]
    except Exception as error:
        return [f"resume: {type(error).__name__}: {error}"]
    return [*unlike(good, state, told, traces), *unsettled(run, int(state.step))]


def traced(run: RunDir) -> set[str]:
    """The checkpoints that a folder or `last` tells of: one without either is not missed, nor half of one."""
    names = {path.name for path in checkpoint.steps_of(run).values()}
    return names | {run.last.read_text(errors="replace").strip()} if run.last.is_file() else names


def unlike(good: Good, state: Any, told: str, traces: set[str]) -> list[str]:
    """What is wrong with a state and what was said of it."""
    step = int(state.step)
    if not same(to_arrays(state), good.arrays.get(step, {})):
        return [f"resume: another state than was saved at step {step}"]
    newer = [number for number in good.arrays if number > step and f"step_{number:08d}" in traces]
    unsaid = [number for number in newer if f"step_{number:08d}" not in told]
    return [f"resume: fell back to {step} and did not name {unsaid}"] if len(unsaid) == len(newer) > 0 else []


def unsettled(run: RunDir, step: int) -> list[str]:
    """What a resume leaves undone: a pointer that names something else."""
    try:
        path = checkpoint.find(run, "last")
    except CheckpointError as error:
        return [f"afterwards: {error}"]
    return [] if path.name == f"step_{step:08d}" else [f"afterwards: 'last' names {path.name}, not {step}"]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether arrays are equal bit for bit."""
    return one.keys() == other.keys() and all(np.asarray(one[n]).tobytes() == other[n].tobytes() for n in one)


def said(words: Sequence[str]) -> tuple[int, str]:
    """(exit code, stderr) of a command."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "slimtrain.cli", *words],
        capture_output=True,
        text=True,
        env=variables,
        timeout=300,
    )
    return done.returncode, done.stderr


def ended(words: Sequence[str], codes: Sequence[int]) -> list[str]:
    """What is wrong with how a command ends."""
    code, told = said(words)
    lines = told.strip().splitlines()
    if code not in codes:
        return [f"{words[0]}: code {code}: {lines[-1:]}"]
    return [f"{words[0]}: a traceback"] if "Traceback" in told else []
