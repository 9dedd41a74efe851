"""The run directory: its names, which one is free, and the lock on it."""

import errno
import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

from slimtrain.errors import CheckpointError, ConfigError, Problem, RunInUseError
from slimtrain.store.files import small, writing
from slimtrain.store.files import write_json as write_json
from slimtrain.store.files import write_text as write_text

MOST_BYTES = 2**26
"""Of the files of JSON that describe a run."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME_CURE = "use 1 to 64 letters, digits, '.', '_' and '-', the first one a letter or a digit"


@dataclass(frozen=True)
class RunDir:
    """The directory of one run; the properties are where its files are, whether or not they exist."""

    path: Path

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
        found = json.loads(small(path, MOST_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(Problem(str(path), f"cannot be read: {error}")) from error
    if not isinstance(found, dict):
        raise CheckpointError(Problem(str(path), "should hold a JSON object"))
    return found


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
    return _first_free(root / "runs" / name)


def _first_free(path: Path) -> Path:
    names = chain([path.name], (f"{path.name}-{n}" for n in count(2)))
    return next(p for p in map(path.with_name, names) if not os.path.lexists(p))


def create(path: Path, *, resume: bool) -> RunDir:
    """Makes the directory of a run.

    Args:
        path: Where; missing parents are made too.
        resume: Whether a run that is there already is to go on.

    Raises:
        ConfigError: A run is there, and `resume` is off.
        WriteError: The directory cannot be made or written to.
    """
    run = RunDir(path)
    if _holds_run(run) and not resume:
        cure = f"add --resume to go on with it, or start a new one with --run-dir {_first_free(path)}"
        raise ConfigError(Problem(str(path), "holds a run already", cure))
    with writing(path, "cannot be made a run directory"):
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return run


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
def lock(run: RunDir) -> Iterator[None]:
    """Holds the run for this process; the kernel lets go when the process dies, however it dies.

    Raises:
        RunInUseError: Another process holds it.
        WriteError: The lock file cannot be written.
    """
    file = _take(run)
    try:
        yield
    finally:
        file.close()


def _take(run: RunDir) -> IO[bytes]:
    path = run.path / ".lock"
    with writing(path):
        file = open(path, "a+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(_this_process())
        except BlockingIOError:
            hint = "wait for it, stop it, or give another --run-dir"
            with file:
                raise RunInUseError(Problem(str(run.path), f"is in use by {_owner(file)}", hint)) from None
        except OSError:
            file.close()
            raise
    return file


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
