"""Disks that are full, too small, read-only, slow or gone under a run, most of them real file systems of its own.

Each try breaks the disk of a real `fit`, looks at how it leaves and what it leaves, mends the disk, resumes the run to
its end and compares it with a run that nothing broke. What needs a mount is left out where mounts are not permitted.
"""

import errno
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from soak.kills import Net, Try, trained
from soak.nets import commands
from soak.tally import Tally, together

from slimtrain.errors import CheckpointError, SlimtrainError
from slimtrain.jobs.sameness import differences
from slimtrain.jobs.verify_resume import started, whole
from slimtrain.store import checkpoint
from slimtrain.store.manifest import STATE
from slimtrain.store.rundir import RunDir

FAILING = Path(__file__).with_name("failing.py")
LONGER = ("train.steps=120", "train.checkpoint_every=4", "train.eval_every=40", "train.log_every=2")
"""Many checkpoints, so that many breaks fall on one."""
ROOM = "64m"
ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)

Broken = tuple[int, str]
"""(exit code, stderr) of a run whose disk was broken; afterwards it is whole again."""
Way = Callable[[Try], Broken]


def soak(count: int, seed: int, workers: int) -> Tally:
    """So many runs, each broken once. The runs of a failure are kept, in the folder that its sentence names."""
    folder, draw = Path(tempfile.mkdtemp(prefix="slimtrain-disks-")), random.Random(seed)
    net = longer(folder)
    ways = [*PLAIN, *(MOUNTED if why_no_mounts() == "" else ())]
    work = [partial(tried, ways[n % len(ways)], net, folder / f"disk-{n}", draw.random()) for n in range(count)]
    tally = Tally().take(together(work, workers))
    if reason := why_no_mounts():
        tally.notes.append(f"left out, since {reason}: {', '.join(MOUNTED)}")
    if not tally.failures:
        shutil.rmtree(folder)
    return tally


def longer(folder: Path) -> Net:
    """The net, with a run of many checkpoints that nothing broke."""
    name, words = next(iter(commands(folder).items()))
    return trained(folder, name, [*words, *LONGER])


def why_no_mounts() -> str:
    """Why no file system can be mounted here; empty where one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "mounts need Linux and root"
    with tempfile.TemporaryDirectory() as folder:
        done = mounting("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder)
        if done.returncode == 0:
            mounting("umount", folder)
    return "" if done.returncode == 0 else f"mounts are not permitted: {done.stderr.strip()}"


def tried(way: str, net: Net, folder: Path, seed: float) -> Tally:
    """Breaks a run in a way, looks at how it left, resumes it, and compares the end."""
    folder.mkdir()
    attempt, tally = Try(net, folder, random.Random(seed)), Tally()
    with ExitStack() as stack:
        if way in MOUNTED:
            stack.enter_context(disk(folder, ROOM))
        try:
            code, said = {**PLAIN, **MOUNTED}[way](attempt)
            problems = [*left(way, code, said, attempt.run), *whole_checkpoints(attempt.run), *ended(attempt)]
        except (CheckpointError, SlimtrainError, OSError, subprocess.TimeoutExpired) as error:
            problems = [f"{type(error).__name__}: {error}"]
    tally.add(way, f"{folder}, seed {seed}: {'; '.join(problems)}" if problems else "")
    if not problems:
        shutil.rmtree(folder, ignore_errors=True)
    return tally


def left(way: str, code: int, said: str, run: RunDir) -> list[str]:
    """What is wrong with how a process left: 74 and a line that names what could not be written, or 0."""
    lines = said.strip().splitlines()
    if "Traceback" in said:
        return [f"a traceback: {lines[-1]}"]
    if code == 0 or way == SLOW:
        return [] if code == 0 else [f"code {code}: {lines[-1:]}"]
    if code != 74:
        return [f"code {code}: {lines[-1:]}"]
    return [] if lines and str(run.path) in lines[-1] else [f"it said: {lines[-1:]}"]


def whole_checkpoints(run: RunDir) -> list[str]:
    """What is wrong with the checkpoints that a broken run left: each must verify."""
    told = []
    for path in checkpoint.steps_of(run).values():
        try:
            checkpoint.verify(path)
        except CheckpointError as error:
            told.append(str(error))
    return told


def ended(attempt: Try) -> list[str]:
    """Resumes the run to its end; what is not as in the whole run."""
    before = max(checkpoint.steps_of(attempt.run), default=0)
    whole(attempt.net.words, attempt.run.path)
    found = differences(attempt.run, attempt.net.run)
    return [f"resumed at {before}: {line}" for line in found]


def broken(attempt: Try, how: Callable[["subprocess.Popen[str]"], None]) -> Broken:
    """A run whose disk is broken at a random moment."""
    works, after = attempt.net.took.moment(attempt.draw)
    with started(attempt.net.words, attempt.run.path) as process:
        while works and process.poll() is None and not attempt.run.env.exists():
            time.sleep(0.002)
        try:
            said = process.communicate(timeout=after)[1]
        except subprocess.TimeoutExpired:
            how(process)
            said = process.communicate(timeout=120)[1]
    return process.returncode, said


def full(attempt: Try) -> Broken:
    """A file takes all that is free, or all but a part of a checkpoint."""
    ballast = attempt.folder / "ballast"
    left = attempt.draw.choice([0, 0, attempt.draw.randrange(3 * checkpoint_bytes(attempt.net))])

    def fill(process: object) -> None:
        free = shutil.disk_usage(attempt.folder).free
        with suppress(OSError), open(ballast, "wb", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, max(free - left, 1))

    found = broken(attempt, fill)
    ballast.unlink(missing_ok=True)
    return found


def small(attempt: Try) -> Broken:
    """A disk of up to four checkpoints from the start."""
    size = attempt.draw.randrange(4096, 5 * checkpoint_bytes(attempt.net))
    return remounted(attempt, f"size={size}", f"size={ROOM}")


def few_files(attempt: Try) -> Broken:
    """A disk for so many files, from the start."""
    return remounted(attempt, f"nr_inodes={attempt.draw.randrange(3, 24)}", "nr_inodes=10000")


def read_only(attempt: Try) -> Broken:
    """A disk that cannot be written to from the start, with nothing on it or with a run that was killed."""
    if attempt.draw.random() < 0.7:
        broken(attempt, lambda process: process.kill())
    return remounted(attempt, "ro", "rw")


def remounted(attempt: Try, before: str, after: str) -> Broken:
    need(mounting("mount", "-o", f"remount,{before}", str(attempt.folder)))
    with started(attempt.net.words, attempt.run.path) as process:
        said = process.communicate(timeout=120)[1]
    need(mounting("mount", "-o", f"remount,{after}", str(attempt.folder)))
    return process.returncode, said


def covered(attempt: Try) -> Broken:
    """Another file system is mounted over the run, and taken away again."""
    mounted = []

    def cover(process: object) -> None:
        options = attempt.draw.choice(["ro", "size=1m"])
        if attempt.run.path.is_dir():
            mounted.append(mounting("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(attempt.run.path)).returncode)

    found = broken(attempt, cover)
    if mounted == [0]:
        need(mounting("umount", str(attempt.run.path)))
    return found


def removed(attempt: Try) -> Broken:
    """The run's folder is removed; half of the times another one is in its place at once."""
    another = attempt.draw.random() < 0.5
    gone = []

    def remove(process: object) -> None:
        for _ in range(100):
            shutil.rmtree(attempt.run.path, ignore_errors=True)
        gone.append(not attempt.run.path.exists())
        if another:
            attempt.run.path.mkdir(exist_ok=True)

    code, said = broken(attempt, remove)
    there = sorted(p.name for p in attempt.run.path.iterdir()) if attempt.run.path.exists() else []
    if code == 74 and gone == [True] and there and works_there(there):
        return code, f"{said}\nTraceback: it wrote {there} after its folder was gone"
    return code, said


def works_there(names: Sequence[str]) -> bool:
    """Whether more is in the folder than a run leaves that claims it after it was removed and is then refused."""
    return "checkpoints" in names


def renamed(attempt: Try) -> Broken:
    """The run's folder is renamed, and gets its name back."""
    aside = attempt.folder / "aside"

    def rename(process: object) -> None:
        with suppress(FileNotFoundError):
            attempt.run.path.rename(aside)

    found = broken(attempt, rename)
    if aside.exists():
        shutil.rmtree(attempt.run.path, ignore_errors=True)
        aside.rename(attempt.run.path)
    return found


def limited(attempt: Try) -> Broken:
    """No file may be larger than a part of a checkpoint, as a quota has it."""
    most = attempt.draw.randrange(checkpoint_bytes(attempt.net))

    def limit(process: "subprocess.Popen[str]") -> None:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))

    return broken(attempt, limit)


def slow(attempt: Try) -> Broken:
    """Each sync takes up to 50 ms more."""
    return failing(attempt, 0, 0, attempt.draw.uniform(0.001, 0.05))


def fails(attempt: Try) -> Broken:
    """One sync fails with an error of the disk's."""
    return failing(attempt, attempt.draw.randrange(1, 150), attempt.draw.choice(ERRORS), 0.0)


def failing(attempt: Try, number: int, code: int, seconds: float) -> Broken:
    words = [sys.executable, "-P", str(FAILING), str(number), str(code), str(seconds), "fit", *attempt.net.words]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    place = ["-q", "--run-dir", str(attempt.run.path), "--resume"]
    done = subprocess.run([*words, *place], capture_output=True, text=True, env=variables, timeout=300)
    return done.returncode, done.stderr


@contextmanager
def disk(folder: Path, size: str) -> Iterator[None]:
    """A file system in memory at a folder, of some bytes."""
    need(mounting("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)))
    try:
        yield
    finally:
        mounting("umount", "-l", str(folder))


def checkpoint_bytes(net: Net) -> int:
    """How large a checkpoint's arrays are."""
    return (checkpoint.find(net.run, "last") / STATE).stat().st_size


def mounting(*words: str) -> "subprocess.CompletedProcess[str]":
    """Runs mount or umount."""
    return subprocess.run(words, capture_output=True, text=True)


def need(done: "subprocess.CompletedProcess[str]") -> None:
    """Raises OSError where a mount failed."""
    if done.returncode:
        raise OSError(f"{' '.join(done.args)}: {done.stderr.strip()}")


SLOW = "slow disk"
PLAIN: Mapping[str, Way] = {
    "folder removed": removed,
    "folder renamed": renamed,
    "size of files limited": limited,
    "a sync fails": fails,
    SLOW: slow,
}
MOUNTED: Mapping[str, Way] = {
    "full disk": full,
    "small disk": small,
    "no more files": few_files,
    "read-only disk": read_only,
    "another disk over the run": covered,
}
