"""SIGINT, SIGTERM and SIGHUP at random moments, a fifth of them twice; each run is resumed to its end and compared."""

import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles

from soak.kills import Net, trained
from soak.nets import commands
from soak.tally import Tally, together

from slimtrain.errors import CheckpointError
from slimtrain.jobs.sameness import differences
from slimtrain.jobs.verify_resume import started, whole
from slimtrain.store import checkpoint
from slimtrain.store.rundir import RunDir

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAVED = re.compile(r"stopped by (SIG[A-Z]+) after step ([0-9]+); saved ([^;]+)")
MORE_CHECKPOINTS = "there are checkpoints of the steps"
"""A stop leaves a checkpoint of its own, which a run that was not stopped does not have."""


@dataclass(frozen=True)
class Shot:
    """A signal: which, how many seconds after the process began or began to work, whether a second one follows."""

    number: signal.Signals
    works: bool
    after: float
    twice: bool


def soak(count: int, seed: int, workers: int) -> Tally:
    """So many runs, each stopped once. The runs of a failure are kept, in the folder that its sentence names."""
    folder, draw, waits = Path(tempfile.mkdtemp(prefix="slimtrain-signals-")), random.Random(seed), list[float]()
    nets = [trained(folder, name, words) for name, words in commands(folder).items()]
    work: list[Callable[[], Tally]] = []
    for number in range(count):
        net = nets[number % len(nets)]
        shot = Shot(SIGNALS[number // len(nets) % 3], *net.took.moment(draw), draw.random() < 0.2)
        work.append(partial(stopped, net, folder / f"run-{number}", shot, waits))
    tally = Tally().take(together(work, workers))
    if len(waits) > 1:
        tally.notes.append(f"from the signal to the end: {told(waits)}, on {workers} workers at a time")
    if not tally.failures:
        shutil.rmtree(folder)
    return tally


def told(waits: list[float]) -> str:
    """Median, 95th percentile and maximum."""
    cuts = quantiles(waits, n=20)
    return f"median {cuts[9]:.2f} s, 95% within {cuts[18]:.2f} s, at most {max(waits):.2f} s"


def stopped(net: Net, path: Path, shot: Shot, waits: list[float]) -> Tally:
    """Stops a run, looks at how it left, resumes it, and compares the end."""
    run, tally = RunDir(path), Tally()
    code, said = shoot(net, run, shot, waits)
    problems = [*left(code, said, run, shot), *ended(net, run)]
    name = f"{shot.number.name}{' twice' if shot.twice else ''}, {'at work' if shot.works else 'at any time'}"
    tally.add(name, f"{path} {shot}: {'; '.join(problems)}" if problems else "")
    if not problems:
        shutil.rmtree(path, ignore_errors=True)
    return tally


def shoot(net: Net, run: RunDir, shot: Shot, waits: list[float]) -> tuple[int, str]:
    """(exit code, stderr) of a run that gets the signal."""
    with started(net.words, run.path) as process:
        while shot.works and process.poll() is None and not run.env.exists():
            time.sleep(0.002)
        try:
            said = process.communicate(timeout=shot.after)[1]
        except subprocess.TimeoutExpired:
            process.send_signal(shot.number)
            began = time.monotonic()
            if shot.twice:
                time.sleep(0.02)
                process.send_signal(shot.number)
            said = process.communicate(timeout=120)[1]
            waits.append(time.monotonic() - began)
    return process.returncode, said


def left(code: int, said: str, run: RunDir, shot: Shot) -> list[str]:
    """What is wrong with how a process left."""
    problems = ["a traceback"] if "Traceback" in said and run.env.exists() else []
    # Python itself ends so before slimtrain has begun.
    allowed = {0, 128 + shot.number, *([-shot.number, 1] if not run.path.exists() else [])}
    if code not in allowed:
        problems.append(f"exit code {code}, and said: {said[-300:]}")
    if code == 128 + shot.number and not shot.twice and run.env.exists():
        problems += saved(said, shot)
    return problems


def saved(said: str, shot: Shot) -> list[str]:
    """What is wrong with what a process said that it saved."""
    last = said.strip().splitlines()[-1] if said.strip() else ""
    if last == f"stopped by {shot.number.name}":
        return []  # before there was anything to save
    match = SAVED.search(last)
    if match is None or match[1] != shot.number.name:
        return [f"it said: {last}"]
    try:
        return [] if checkpoint.verify(Path(match[3]))["step"] == int(match[2]) else ["another step was saved"]
    except CheckpointError as error:
        return [str(error)]


def ended(net: Net, run: RunDir) -> list[str]:
    """Resumes a run to its end; what is not as in the whole run."""
    whole(net.words, run.path)
    return [line for line in differences(run, net.run) if not line.startswith(MORE_CHECKPOINTS)]
