"""SIGKILLs at random moments, and at every change of the run directory; each run is resumed to its end and compared."""

import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from soak.nets import commands
from soak.tally import Tally, together

from slimtrain.jobs.sameness import differences
from slimtrain.jobs.verify_resume import Took, killed, whole
from slimtrain.store.rundir import RunDir

DYING = Path(__file__).with_name("dying.py")
KILLS = 5
"""Kills that a run has at random moments."""


@dataclass(frozen=True)
class Net:
    """A net's words, its run that nothing stopped, and the time that it took."""

    name: str
    words: Sequence[str]
    run: RunDir
    took: Took


@dataclass(frozen=True)
class Try:
    """A try of another soak: the net, a folder to work in, and where numbers are drawn from."""

    net: Net
    folder: Path
    draw: random.Random

    @property
    def run(self) -> RunDir:
        """The run that is tried."""
        return RunDir(self.folder / "run")


def soak(count: int, seed: int, workers: int) -> Tally:
    """Kills so many processes. The runs of a failure are kept, in the folder that its sentence names."""
    folder, draw = Path(tempfile.mkdtemp(prefix="slimtrain-kills-")), random.Random(seed)
    nets = [trained(folder, name, words) for name, words in commands(folder).items()]
    tally = Tally().take(together(pieces(nets, folder, count, draw), workers))
    if not tally.failures:
        shutil.rmtree(folder)
    return tally


def pieces(nets: Sequence[Net], folder: Path, count: int, draw: random.Random) -> list[Callable[[], Tally]]:
    """The runs that are killed, half of the times at random moments, half at changes of the first one's directory."""
    half = count // 2
    work = [
        partial(at_random, nets[n % len(nets)], folder / f"random-{n}", draw.random()) for n in range(half // KILLS)
    ]
    return [*work, *at_changes(nets[0], folder, count - half, draw)]


def trained(folder: Path, name: str, words: Sequence[str]) -> Net:
    """A net with its whole run; a first run fills the cache of compiled programs, so that the second tells the time."""
    path = folder / f"whole-{name.replace(' ', '-').replace(',', '')}"
    whole(words, path.with_name(f"{path.name}-first"))
    return Net(name, words, RunDir(path), whole(words, path))


def at_random(net: Net, folder: Path, seed: float) -> Tally:
    """Kills a run at random moments, resumes it, and compares every run that came to its end."""
    draw, tally = random.Random(seed), Tally()
    found = killed(net.words, folder, KILLS, lambda: net.took.moment(draw), lambda: None)
    tally.add(f"at a random moment: {net.name}", same(found.ended, net, folder), len(found.kills))
    return tally


def at_changes(net: Net, folder: Path, count: int, draw: random.Random) -> list[Callable[[], Tally]]:
    """Kills at all changes of the run directory, or at some if they are more; each second run is killed again."""
    changes = number_of_changes(net, folder / "counted")
    at = (
        [n % changes + 1 for n in range(count)]
        if count >= changes
        else sorted(draw.sample(range(1, changes + 1), count))
    )
    again = [draw.randrange(1, changes) if n % 2 else 0 for n in range(count)]
    return [
        partial(at_change, net, folder / f"change-{n}", moments)
        for n, moments in enumerate(zip(at, again, strict=True))
    ]


def at_change(net: Net, folder: Path, moments: Sequence[int]) -> Tally:
    """Kills a run at a change, and its resume at another one if it is not 0; compares the end."""
    run, tally = RunDir(folder / "run"), Tally()
    kills = [line for moment in moments if moment for code, line in [dying(net, run.path, moment)] if code == -9]
    whole(net.words, run.path)
    failure = same([run], net, folder)
    for line in kills:
        tally.add(f"before a change: {kind(line)}", failure and f"{moments}: {failure}")
    return tally


def number_of_changes(net: Net, path: Path) -> int:
    """How many changes a whole run makes in its directory."""
    return int(dying(net, path, 0)[1])


def dying(net: Net, path: Path, at: int) -> tuple[int, str]:
    """(exit code, last line of stderr) of a run that kills itself at a change."""
    words = [
        sys.executable,
        "-P",
        str(DYING),
        str(at),
        str(path),
        "fit",
        *net.words,
        "-q",
        "--run-dir",
        str(path),
        "--resume",
    ]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.returncode, done.stderr.strip().splitlines()[-1]


def kind(change: str) -> str:
    """A change without the numbers of steps and processes: `rename step.tmp`."""
    return re.sub(r"[_-][0-9]+", "", change)


def same(runs: Sequence[RunDir], net: Net, folder: Path) -> str:
    """What differs from the whole run, as one sentence; where nothing does, the folder is taken away."""
    unlike = [line for run in runs for line in differences(run, net.run)]
    if not unlike:
        shutil.rmtree(folder)
    return f"{folder}: {'; '.join(unlike)}" if unlike else ""
