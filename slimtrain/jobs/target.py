"""CONFIG or RUN: what a command is pointed at, as a Document."""

from collections.abc import Iterable
from os.path import isdir
from pathlib import Path

from slimtrain.backend import prepare
from slimtrain.config.document import Document, read
from slimtrain.jobs.builtin import catalog
from slimtrain.store.rundir import open_run


def document_of(
    target: Path, overrides: Iterable[str] = (), plugins: tuple[str, ...] = ()
) -> tuple[Document, Path | None]:
    """The document of a config file, or of a run's directory by its resolved.yaml; and the run's path, if it is one."""
    if not isdir(target):
        return read(target, overrides, catalog(plugins)), None
    run = open_run(target)
    return read(run.resolved, overrides, catalog(plugins)), target


def load(target: str | Path, overrides: Iterable[str] = (), plugins: tuple[str, ...] = ()) -> Document:
    """The checked document of a config file, or of a run's directory.

    Args:
        target: the file or directory.
        overrides: as on the command line: `a.b=value`, `+a.b=value`, `~a.b`.
        plugins: modules with further layers.

    Raises:
        ConfigError: with every problem of the config.
    """
    prepare()
    return document_of(Path(target), overrides, plugins)[0]
