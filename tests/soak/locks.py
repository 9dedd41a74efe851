"""Several runs in one directory at once: one has it, the others are told who, and nothing of a run is lost.

Each try starts real `fit` processes together, or one after another's death, and looks at every exit code, at what the
refused ones say, and at whether the run ends as one that nobody disturbed.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from soak.kills import Net, Try, trained
from soak.nets import commands
from soak.tally import Tally, together

from slimtrain.errors import CheckpointError, SlimtrainError
from slimtrain.jobs.sameness import differences
from slimtrain.jobs.verify_resume import whole
from slimtrain.store import checkpoint
from slimtrain.store.rundir import RunDir

IN_USE = re.compile(r": is in use by process ([0-9]+) on \S+ since 20[0-9T:+-]+; wait for it, stop it, or give another")
HELD = "holds a run already; add --resume to go on with it"


@dataclass(frozen=True)
class End:
    """How a process ended."""

    pid: int
    code: int
    said: str


def soak(count: int, seed: int, workers: int) -> Tally:
    """So many fights. The runs of a failure are kept, in the folder that its sentence names."""
    folder, draw = Path(tempfile.mkdtemp(prefix="slimtrain-locks-")), random.Random(seed)
    name, words = next(iter(commands(folder).items()))
    net, ways = trained(folder, name, words), list(WAYS)
    work = [partial(tried, ways[n % len(ways)], net, folder / f"fight-{n}", draw.random()) for n in range(count)]
    tally = Tally().take(together(work, workers))
    if not tally.failures:
        shutil.rmtree(folder)
    return tally


def tried(way: str, net: Net, folder: Path, seed: float) -> Tally:
    """One fight, counted."""
    folder.mkdir()
    tally = Tally()
    try:
        problems = WAYS[way](Try(net, folder, random.Random(seed)))
    except (CheckpointError, SlimtrainError, subprocess.TimeoutExpired) as error:
        problems = [f"{type(error).__name__}: {error}"]
    tally.add(way, f"{folder}, seed {seed}: {'; '.join(problems)}" if problems else "")
    if not problems:
        shutil.rmtree(folder)
    return tally


def new_at_once(attempt: Try) -> list[str]:
    """New runs in one directory: one trains; the others are refused, whether it still trains or has ended."""
    ends = finished(together_started(attempt, *place(attempt)))
    won = [end for end in ends if end.code == 0]
    told = [line for end in ends if end not in won for line in refused(end, ends, {6: IN_USE, 2: re.compile(HELD)})]
    return [*([] if len(won) == 1 else [f"{len(won)} runs trained"]), *told, *unlike(attempt, attempt.run)]


def resumed_at_once(attempt: Try) -> list[str]:
    """Resumes of a killed run at once: one goes on, the others are refused, or find it at its end."""
    killed(attempt)
    ends = finished(together_started(attempt, *place(attempt), "--resume"))
    told = [line for end in ends if end.code for line in refused(end, ends, {6: IN_USE})]
    return [*([] if any(end.code == 0 for end in ends) else ["none went on"]), *told, *unlike(attempt, attempt.run)]


def late(attempt: Try) -> list[str]:
    """A second process at any moment of the first one's life: it is refused, or finds the first one's run."""
    first = begun(attempt, *place(attempt))
    time.sleep(attempt.draw.uniform(0, attempt.net.took.whole))
    again = attempt.draw.choice([(), ("--resume",)])
    ends = finished([begun(attempt, *place(attempt), *again), first])
    allowed = {6: IN_USE} if again else {6: IN_USE, 2: re.compile(HELD)}
    told = [line for end in ends if end.code for line in refused(end, ends, allowed)]
    # A resume may have come first, and be the one that trains.
    won = any(end.code == 0 for end in ends)
    return [*([] if won else ["none trained"]), *told, *unlike(attempt, attempt.run)]


def by_default(attempt: Try) -> list[str]:
    """New runs of one config at once, without a directory: each gets its own, and trains."""
    ends = finished(together_started(attempt))
    runs = sorted((attempt.folder / "runs").glob("*"))
    told = [f"code {end.code}: {last(end)}" for end in ends if end.code]
    if len(runs) != len(ends):
        told.append(f"{len(ends)} processes in {[path.name for path in runs]}")
    return [*told, *(line for path in runs for line in unlike(attempt, RunDir(path)))]


def killed_owner(attempt: Try) -> list[str]:
    """The owner is killed, and the next process comes in the same moment: it takes the run over."""
    first = begun(attempt, *place(attempt))
    time.sleep(attempt.draw.uniform(0, attempt.net.took.whole))
    first.send_signal(signal.SIGKILL)
    (end,) = finished([begun(attempt, *place(attempt), "--resume")])
    finished([first])
    return [f"code {end.code}: {last(end)}"] * (end.code != 0) + unlike(attempt, attempt.run)


def stopped_owner(attempt: Try) -> list[str]:
    """The owner does not run but lives: its run is its own, however long it says nothing."""
    first = begun(attempt, *place(attempt))
    while not attempt.run.env.exists() and first.poll() is None:
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    ends = finished([begun(attempt, *place(attempt), "--resume")])
    alive = first.poll() is None
    first.send_signal(signal.SIGCONT)
    ended = finished([first])
    told = refused(ends[0], [*ends, *ended], {6: IN_USE}) if alive else []
    return [*told, *(f"the owner: code {end.code}" for end in ended if end.code), *unlike(attempt, attempt.run)]


def number_again(attempt: Try) -> list[str]:
    """The dead owner's number is another process's: its lock and its leftovers are taken over all the same."""
    killed(attempt)
    number = attempt.draw.choice([1, os.getpid(), os.getppid()])
    owner = {"pid": number, "host": os.uname().nodename, "time": "2020-01-01T00:00:00+00:00"}
    attempt.run.lock.write_text(json.dumps(owner))
    steps = list(checkpoint.steps_of(attempt.run).values())
    if steps:
        steps[-1].rename(f"{steps[-1]}.{attempt.draw.choice(['tmp', 'old'])}-{number}")
    (end,) = finished([begun(attempt, *place(attempt), "--resume", quiet=False)])
    told = [f"code {end.code}: {last(end)}"] * (end.code != 0)
    if steps and f"resuming at step {int(steps[-1].name[5:])}:" not in end.said:
        told.append(f"did not resume at {steps[-1].name}: {end.said[-300:]}")
    return [*told, *unlike(attempt, attempt.run)]


def killed(attempt: Try) -> None:
    """A run that was killed while it worked."""
    with begun(attempt, *place(attempt)) as process:
        while not attempt.run.env.exists() and process.poll() is None:
            time.sleep(0.005)
        time.sleep(attempt.draw.uniform(0, attempt.net.took.work))
        process.kill()
        process.communicate()


def place(attempt: Try) -> tuple[str, str]:
    """The words that name the run's directory."""
    return "--run-dir", str(attempt.run.path)


def begun(attempt: Try, *words: str, quiet: bool = True) -> "subprocess.Popen[str]":
    """`fit` of the net in a process of its own, in the try's folder."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-P", "-m", "slimtrain.cli", "fit", *attempt.net.words, *words, *(["-q"] * quiet)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, cwd=attempt.folder, env=variables, **pipes)


def together_started(attempt: Try, *words: str) -> list["subprocess.Popen[str]"]:
    """Two to four processes within a fifth of a second."""
    started = []
    for _ in range(attempt.draw.choice([2, 2, 3, 4])):
        started.append(begun(attempt, *words))
        time.sleep(attempt.draw.choice([0, attempt.draw.uniform(0, 0.2)]))
    return started


def finished(started: Sequence["subprocess.Popen[str]"]) -> list[End]:
    """How processes ended."""
    said = [process.communicate(timeout=300)[1] for process in started]
    return [End(process.pid, process.returncode, text) for process, text in zip(started, said, strict=True)]


def refused(end: End, ends: Sequence[End], allowed: Mapping[int, "re.Pattern[str]"]) -> list[str]:
    """What is wrong with a process that was refused: its code, its words, the owner that it names."""
    if end.code not in allowed:
        return [f"code {end.code}: {last(end)}"]
    match = allowed[end.code].search(last(end))
    if match is None:
        return [f"code {end.code}, and it said: {last(end)}"]
    others = {str(other.pid) for other in ends if other is not end}
    return [f"it names {match[1]}, and there were {others}"] if match.groups() and match[1] not in others else []


def last(end: End) -> str:
    """The last line that a process said."""
    return (end.said.strip().splitlines() or ["nothing"])[-1]


def unlike(attempt: Try, run: RunDir) -> list[str]:
    """What is not as in the whole run, once the run is at its end."""
    whole(attempt.net.words, run.path)
    return differences(run, attempt.net.run)


WAYS: Mapping[str, Callable[[Try], list[str]]] = {
    "new runs at once": new_at_once,
    "resumes at once": resumed_at_once,
    "a second one at any moment": late,
    "new runs at once, no directory named": by_default,
    "owner killed": killed_owner,
    "owner stopped, not dead": stopped_owner,
    "owner's number taken": number_again,
}
