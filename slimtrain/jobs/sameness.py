"""Whether two runs ended the same: every bit of every checkpoint, every line of metrics, every pointer."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from slimtrain.store import checkpoint, metrics
from slimtrain.store.manifest import STATE
from slimtrain.store.rundir import RunDir

CLOCKS = ("examples_per_second",)
"""What a line of metrics tells of the clock, which no two runs share."""


def differences(one: RunDir, other: RunDir) -> list[str]:
    """Sentences on what differs between two runs of one config; none where nothing does.

    Raises:
        CheckpointError: a checkpoint of one of them does not verify.
    """
    return [*_pointers(one, other), *_lines(one, other), *_checkpoints(one, other)]


def _pointers(one: RunDir, other: RunDir) -> Iterator[str]:
    for first, second in ((one.last, other.last), (one.best, other.best)):
        here, there = (path.read_text().strip() if path.exists() else "nothing" for path in (first, second))
        if here != there:
            yield f"'{first.name}' names {here} and {there}"


def _lines(one: RunDir, other: RunDir) -> Iterator[str]:
    here, there = ([_timeless(line) for line in metrics.read(run)] for run in (one, other))
    if len(here) != len(there):
        yield f"metrics.jsonl has {len(here)} and {len(there)} lines"
    for number, (first, second) in enumerate(zip(here, there, strict=False), 1):
        if repr(first) != repr(second):  # by text, since nan differs from itself
            keys = sorted(n for n in {**first, **second} if repr(first.get(n)) != repr(second.get(n)))
            yield f"metrics.jsonl, line {number}: {', '.join(f'{n} {first.get(n)} and {second.get(n)}' for n in keys)}"
            return


def _timeless(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in CLOCKS}


def _checkpoints(one: RunDir, other: RunDir) -> Iterator[str]:
    here, there = checkpoint.steps_of(one), checkpoint.steps_of(other)
    if here.keys() != there.keys():
        yield f"there are checkpoints of the steps {list(here)} and {list(there)}"
    for step in here.keys() & there.keys():
        first, second = checkpoint.verify(here[step]), checkpoint.verify(there[step])
        if first["files"][STATE]["sha256"] != second["files"][STATE]["sha256"]:
            yield f"step {step}: {_arrays(checkpoint.load(here[step])[0], checkpoint.load(there[step])[0])}"


def _arrays(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> str:
    names = {**one, **other}
    unlike = [n for n in names if n not in one or n not in other or one[n].tobytes() != other[n].tobytes()]
    return f"{len(unlike)} of {len(names)} arrays differ, the first '{unlike[0]}'" if unlike else "the files differ"
