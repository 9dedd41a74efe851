"""The metrics of a run, one JSON object a line."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from slimtrain.store.files import plain, replacing, sync_file, writing
from slimtrain.store.rundir import RunDir, need_held
from slimtrain.wire.regular import small

MOST_BYTES = 2**31
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_TOLD = ("train/", "eval/")
"""How the names begin of what a run tells of a step."""


@contextmanager
def open_metrics(run: RunDir) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A function that adds a record to the metrics; each is with the system when it returns.

    Raises:
        WriteError: A line cannot be written.
    """
    _drop_torn_line(run)
    with writing(run.metrics):
        file = open(run.metrics, "ab")

    def write(record: Mapping[str, Any]) -> None:
        line = json.dumps(plain(record), allow_nan=False) + "\n"
        need_held(run)
        with writing(run.metrics):
            file.write(line.encode())
            file.flush()

    try:
        yield write
    finally:
        with writing(run.metrics):
            file.close()


def append(run: RunDir, record: Mapping[str, Any]) -> None:
    """Adds one record to the metrics.

    Raises:
        WriteError: The line cannot be written.
    """
    with open_metrics(run) as write:
        write(record)


def sync(run: RunDir) -> None:
    """Waits until the records so far are on the disk.

    Raises:
        WriteError: They cannot be written.
    """
    need_held(run)
    with writing(run.metrics), open(run.metrics, "ab") as file:
        sync_file(file)


def read(run: RunDir) -> list[dict[str, Any]]:
    """The records so far, with nan and inf as floats again; lines that a crash left torn are skipped."""
    return [record for _, record in _lines(run)]


def garbled(run: RunDir) -> int:
    """How many lines are no records; a last one that a crash left torn is not counted."""
    return sum(line.endswith(b"\n") and _record(line) is None for line in _bytes(run).splitlines(keepends=True))


def truncate_after(run: RunDir, step: int) -> None:
    """Drops what a resume from `step` will write again: the records of later steps, and torn lines.

    Raises:
        WriteError: The file cannot be replaced; it is as it was.
    """
    kept = b"".join(line for line, record in _lines(run) if not _is_after(record, step))
    if kept != _bytes(run):
        with replacing(run.metrics) as file:
            file.write(kept)


def _is_after(record: dict[str, Any], step: int) -> bool:
    at = record.get("step")
    return isinstance(at, int | float) and at > step


def _bytes(run: RunDir) -> bytes:
    with writing(run.metrics, "cannot be read"):
        return small(run.metrics, MOST_BYTES) if run.metrics.exists() else b""


def _lines(run: RunDir) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for line in _bytes(run).splitlines(keepends=True):
        record = _record(line)
        if record is not None:
            yield line, record


def _record(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    record = {k: _number(v) for k, v in record.items()}
    told = [v for k, v in record.items() if k.startswith(_TOLD)]
    sound = type(record.get("step")) is int and all(isinstance(v, int | float | list) for v in told)
    return record if sound or not told else None


def _number(value: Any) -> Any:
    """A value with the text of what is not finite as a float again, inside lists too."""
    if isinstance(value, list):
        return [_number(v) for v in value]
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _drop_torn_line(run: RunDir) -> None:
    """Cuts off a last line without its end, which the next record would otherwise be glued to."""
    content = _bytes(run)
    if content and not content.endswith(b"\n"):
        with replacing(run.metrics) as file:
            file.write(content[: content.rfind(b"\n") + 1])
