"""The run directory: its names, which one is free, and the lock on it."""

import errno
import fcntl
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

from slimtrain.errors import CheckpointError, ConfigError, Problem, RunInUseError, WriteError
from slimtrain.store.files import write_json as write_json
from slimtrain.store.files import write_text as write_text
from slimtrain.store.files import writing
from slimtrain.wire.regular import small

MOST_BYTES = 2**26
"""Of the files of JSON that describe a run."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOCKS_CURE = "give a --run-dir on a file system with locks: without them two runs can ruin each other"
_NO_RUN = "cannot be made a run directory"
_PATIENCE = 0.3  # seconds; a process that looks whether a run is in use, or that was killed, holds it for less
_NAME_CURE = "use 1 to 64 letters, digits, '.', '_' and '-', the first one a letter or a digit"


@dataclass(frozen=True)
class RunDir:
    """The directory of one run; the properties are where its files are, whether or not they exist.

    `held` tells the lock file of this process from another one that came in its place; None where there is no lock.
    """

    path: Path
    held: tuple[int, int] | None = field(default=None, compare=False)

    @property
    def lock(self) -> Path:
        """What is locked, and names the process that holds it."""
        return self.path / ".lock"

    @property
    def config(self) -> Path:
        """The config as it was given."""
        return self.path / "config.yaml"

    @property
    def resolved(self) -> Path:
        """The config with every value filled in."""
        return self.path / "resolved.yaml"

    @property
    def plan(self) -> Path:
        """The resolved layers."""
        return self.path / "plan.json"

    @property
    def variables(self) -> Path:
        """Names, shapes and collections of the variables."""
        return self.path / "variables.json"

    @property
    def data(self) -> Path:
        """What the net gets: the image's shape, preprocessing, the number of classes."""
        return self.path / "data.json"

    @property
    def env(self) -> Path:
        """Versions, device, threads, seed and command."""
        return self.path / "env.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints, one folder a step."""
        return self.path / "checkpoints"

    @property
    def diverged(self) -> Path:
        """The folder of the batches of steps whose numbers were not finite."""
        return self.path / "diverged"

    @property
    def best(self) -> Path:
        """Holds the name of the best checkpoint."""
        return self.path / "best"

    @property
    def last(self) -> Path:
        """Holds the name of the last checkpoint."""
        return self.path / "last"


def read_json(path: Path) -> dict[str, Any]:
    """The object in one of a run's JSON files; an empty one where there is no such file.

    Raises:
        CheckpointError: The file cannot be read, or holds something else.
    """
    if not path.exists():
        return {}
    try:
        found = _json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(Problem(str(path), f"cannot be read: {error}")) from error
    if not isinstance(found, dict):
        raise CheckpointError(Problem(str(path), "should hold a JSON object"))
    return found


def read_records(path: Path) -> list[dict[str, Any]]:
    """The objects in a run's JSON file that holds a list of them; none where it cannot be read as one."""
    try:
        found = _json(path)
    except (OSError, ValueError, RecursionError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _json(path: Path) -> Any:
    return json.loads(small(path, MOST_BYTES).decode())


def default_path(root: Path, name: str) -> Path:
    """The first of `root/runs/<name>`, `<name>-2`, `<name>-3`, ... that does not exist.

    Args:
        root: The folder that holds `runs`.
        name: The name of the config.

    Raises:
        ConfigError: The name cannot name a folder safely.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(Problem("name", f"{name!r} cannot name a run directory", _NAME_CURE))
    return first_free(root / "runs" / name)


def first_free(path: Path) -> Path:
    """The first of `path`, `path-2`, `path-3`, ... that does not exist."""
    names = chain([path.name], (f"{path.name}-{n}" for n in count(2)))
    return next(p for p in map(path.with_name, names) if not os.path.lexists(p))


def create_default(root: Path, name: str) -> RunDir:
    """Makes the directory of a new run at its default path; two processes at once get two.

    Args:
        root: The folder that holds `runs`.
        name: The name of the config.

    Raises:
        ConfigError: The name cannot name a folder safely.
        WriteError: The directory cannot be made or written to.
    """
    while True:
        path = default_path(root, name)
        with writing(path, _NO_RUN):
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                path.mkdir()
                return create(path, resume=False)


def create(path: Path, *, resume: bool) -> RunDir:
    """Makes the directory of a run.

    Args:
        path: Where; missing parents are made too.
        resume: Whether a run that is there already is to go on.

    Raises:
        ConfigError: A run is there, and `resume` is off.
        RunInUseError: It is, and another process holds it.
        WriteError: The directory cannot be made or written to.
    """
    if not resume:
        need_vacant(path)
    with writing(path, _NO_RUN):
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return RunDir(path)


def need_vacant(path: Path) -> None:
    """Raises ConfigError where a run is in a directory, RunInUseError where a process holds it."""
    run = RunDir(path)
    if _holds_run(run):
        with suppress(WriteError), lock(run):
            pass
        need_new(run)


def need_new(run: RunDir) -> None:
    """Raises ConfigError where a run is in the directory already."""
    if _holds_run(run):
        cure = f"add --resume to go on with it, or start a new one with --run-dir {first_free(run.path)}"
        raise ConfigError(Problem(str(run.path), "holds a run already", cure))


def open_run(path: Path) -> RunDir:
    """The run that is in a directory.

    Raises:
        ConfigError: There is none.
    """
    run = RunDir(path)
    if not _holds_run(run):
        what = "is not a run directory" if path.exists() else "does not exist"
        hint = "a run directory holds config.yaml, resolved.yaml or checkpoints/, as `slimtrain fit` leaves them"
        raise ConfigError(Problem(str(path), what, hint))
    return run


def _holds_run(run: RunDir) -> bool:
    return any(os.path.lexists(p) for p in (run.config, run.resolved, run.checkpoints))


@contextmanager
def lock(run: RunDir) -> Iterator[RunDir]:
    """Holds the run for this process; the kernel lets go when the process dies, however it dies.

    Gives the run as one that is held, so that what is written there can be kept from another run in its place.

    Raises:
        RunInUseError: Another process holds it.
        WriteError: The lock file cannot be written, or the file system has no locks.
    """
    with writing(run.path):
        file = open(run.lock, "a+b", buffering=0)
    with file:
        _take(run, file)
        with writing(run.path):
            file.truncate(0)
            file.write(_this_process())
        found = os.fstat(file.fileno())
        held = replace(run, held=(found.st_dev, found.st_ino))
        need_held(held)
        yield held


def clear(run: RunDir) -> None:
    """Removes the halves of files that a process left that died while it replaced them; for the holder of the lock.

    Raises:
        WriteError: One cannot be removed.
    """
    replaced = (run.config, run.resolved, run.plan, run.variables, run.data, run.env, run.metrics, run.best, run.last)
    for path in replaced:
        for half in path.parent.glob(f".{path.name}.tmp-*"):
            with writing(half, "cannot be removed"):
                half.unlink(missing_ok=True)


def need_held(run: RunDir) -> None:
    """Raises WriteError where the run was held, and its directory is gone or another one by now."""
    if run.held is None:
        return
    try:
        found = os.stat(run.lock)
    except OSError:
        found = None
    if found is None or (found.st_dev, found.st_ino) != run.held:
        told = "was removed, renamed or replaced while it was in use"
        cure = "nothing is written there any more; put it back and go on with --resume, or begin anew"
        raise WriteError(Problem(str(run.path), told, cure))


def _take(run: RunDir, file: IO[bytes]) -> None:
    """Locks the file, and makes sure that this keeps others out."""
    until = time.monotonic() + _PATIENCE
    while not _locked(run, file):
        if time.monotonic() > until:
            hint = "wait for it, stop it, or give another --run-dir"
            raise RunInUseError(Problem(str(run.path), f"is in use by {_owner(file)}", hint))
        time.sleep(0.02)
    with writing(run.path), open(run.lock, "ab") as second:
        if _locked(run, second):
            raise WriteError(Problem(str(run.path), "cannot be locked: locks do not hold here", _LOCKS_CURE))


def _locked(run: RunDir, file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise WriteError(Problem(str(run.path), f"cannot be locked: {error.strerror}", _LOCKS_CURE)) from error
    return True


def _this_process() -> bytes:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "time": now}).encode()


def _owner(file: IO[bytes]) -> str:
    # The owner may be between taking the lock and writing its name.
    try:
        file.seek(0)
        owner = json.loads(file.read())
        return f"process {owner['pid']} on {owner['host']} since {owner['time']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
