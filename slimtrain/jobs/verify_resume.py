"""`slimtrain verify-resume`: kills a run again and again, resumes it, and compares it with one that nothing stopped."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimtrain.config.document import Document
from slimtrain.errors import Problem, SlimtrainError
from slimtrain.jobs.build import need_training
from slimtrain.jobs.sameness import differences
from slimtrain.jobs.talk import QUIET, Talk
from slimtrain.store import checkpoint, metrics
from slimtrain.store.rundir import RunDir


@dataclass(frozen=True)
class Landed:
    """A kill: seconds after its process began, the newest checkpoint and line of metrics that it left; 0 for none."""

    after: float
    saved: int
    told: int


@dataclass(frozen=True)
class Verified:
    """What came of it: how many kills hit, how many runs ended, and how the ends differ from that of the whole run."""

    config: str
    steps: int
    kills: tuple[Landed, ...]
    finishes: int
    differences: tuple[str, ...]
    kept: str | None

    def record(self) -> dict[str, Any]:
        """As `--json` gives it."""
        return {
            "config": self.config,
            "steps": self.steps,
            "kills": [vars(kill) for kill in self.kills],
            "finishes": self.finishes,
            "identical": not self.differences,
            "differences": list(self.differences),
            "kept": self.kept,
        }


def verify_resume(
    document: Document, words: Sequence[str], kills: int, steps: int, seed: int, talk: Talk = QUIET
) -> Verified:
    """Proves on this machine that a run of a config which is killed and resumed ends as if nothing had been.

    Args:
        document: the config.
        words: the config and overrides as on the command line.
        kills: how many processes to kill, at random moments.
        steps: steps to train, with six checkpoints and two evaluations on the way.
        seed: what the moments are drawn from.
        talk: where the bar goes.

    Raises:
        ConfigError: the config cannot be trained.
        SlimtrainError: a run fails by itself.
    """
    need_training(document)
    command = [*words, *shortened(document, steps)]
    folder = Path(tempfile.mkdtemp(prefix="slimtrain-verify-"))
    try:
        with talk.bar(kills + 2, 0, "run", "verifying") as advance:
            took = whole(command, folder / "whole")
            advance(1, "")
            draw = random.Random(seed)
            found = killed(command, folder, kills, lambda: took.moment(draw), lambda: advance(1, ""))
        other = [line for run in found.ended for line in differences(RunDir(folder / "whole"), run)]
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not other:
        shutil.rmtree(folder, ignore_errors=True)
    kept = str(folder) if other else None
    return Verified(str(document.path), steps, tuple(found.kills), len(found.ended), tuple(other), kept)


def shortened(document: Document, steps: int) -> list[str]:
    """Overrides that make a run of so many steps, with several lines, evaluations and checkpoints."""
    lengths = [f"train.steps={steps}", *["~train.epochs"] * (document.train.epochs is not None)]
    often = {"log_every": steps // 20, "eval_every": steps // 2, "checkpoint_every": steps // 6}
    return [*lengths, *(f"train.{name}={max(1, every)}" for name, every in often.items())]


@dataclass(frozen=True)
class Killed:
    """The kills that hit, and the runs that ended in spite of them."""

    kills: list[Landed]
    ended: list[RunDir]


@dataclass(frozen=True)
class Took:
    """Seconds that a whole run took: all of them, and those after it had read its data and begun to compile."""

    whole: float
    work: float

    def moment(self, draw: random.Random) -> tuple[bool, float]:
        """When to kill: three times in four so many seconds after the work began, else after the process began."""
        works = draw.random() < 0.75
        return works, draw.uniform(0, self.work if works else self.whole)


def whole(command: Sequence[str], path: Path) -> Took:
    """Trains in a process that nothing stops; gives the time that it took."""
    began, clock = time.time(), time.monotonic()
    with started(command, path) as process:
        told = process.communicate()[1]
    _need_end(process.returncode, told)
    took = time.monotonic() - clock
    return Took(took, max(took - (_began(RunDir(path)) - began), 0.0))


def killed(
    command: Sequence[str],
    folder: Path,
    kills: int,
    moment: Callable[[], tuple[bool, float]],
    done: Callable[[], None],
) -> Killed:
    """Trains in processes of which `kills` are killed, each resumed, until the run is at its end.

    A run that ends before its kill is another one that ended; the kill that missed is tried on a new run.

    Args:
        command: the words after `slimtrain fit`.
        folder: where the runs go.
        kills: how many hit.
        moment: when a process is killed, as `Took.moment` gives it.
        done: called after each process.
    """
    found = Killed([], [])
    run = RunDir(folder / "killed-1")
    while len(found.kills) < kills:
        hit = _killed(command, run, *moment())
        if hit is not None:
            found.kills.append(hit)
            done()
        else:
            found.ended.append(run)
            run = RunDir(folder / f"killed-{len(found.ended) + 1}")
    whole(command, run.path)
    done()
    found.ended.append(run)
    return found


def _killed(command: Sequence[str], run: RunDir, works: bool, after: float) -> Landed | None:
    """The kill, None where the run ended before it; raises SlimtrainError where the run failed by itself."""
    before, began = _began(run), time.monotonic()
    with started(command, run.path) as process:
        while works and process.poll() is None and _began(run) == before:
            time.sleep(0.002)
        try:
            told = process.communicate(timeout=after)[1]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            told = process.communicate()[1]
    if process.returncode != -signal.SIGKILL:
        _need_end(process.returncode, told)
        return None
    return Landed(round(time.monotonic() - began, 3), max(checkpoint.steps_of(run), default=0), _told(run))


def _began(run: RunDir) -> float:
    """When the work began: what describes the run is written last before that, at each start."""
    return run.env.stat().st_mtime if run.env.exists() else 0.0


def started(command: Sequence[str], path: Path) -> "subprocess.Popen[str]":
    """`slimtrain fit` in a process of its own, which goes on with the run at `path` or begins it."""
    program = [sys.executable, "-P", "-m", "slimtrain.cli"]
    words = ["fit", *command, "--quiet", "--run-dir", str(path), "--resume"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*program, *words], env=variables, **pipes)


def _need_end(code: int, told: str) -> None:
    if code:
        last = (told.strip().splitlines() or ["it said nothing"])[-1]
        raise SlimtrainError(Problem("verify-resume", f"a run failed with exit code {code}: {last}"))


def _told(run: RunDir) -> int:
    return max((line["step"] for line in metrics.read(run)), default=0)
