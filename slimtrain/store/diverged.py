"""The batches of steps whose numbers were not finite: `diverged/step_00000013.npz`, with facts and hashes in a `.json`.

The step is the one that was tried, from 1; the state before it is the checkpoint of the step before. The `.json` is
written last: without it there is no record.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from slimtrain.store.files import plain, replacing, sync_folder, writing
from slimtrain.store.manifest import described, is_whole, refuse, sealed
from slimtrain.store.rundir import RunDir, need_held
from slimtrain.store.weights import Arrays, read_weights, write_weights
from slimtrain.wire.regular import opened, small

FORMAT = 1
_OURS = re.compile(r"step_([0-9]{8,18})\.(npz|json)|\.step_([0-9]{8,18})\.(npz|json)\.tmp-[0-9]+")
_LIMIT = 1 << 24
"""Bytes that the facts of a record may have."""


class Kept(NamedTuple):
    """A record: the step's number, from 1; the batch as the step got it; what else is known."""

    step: int
    batch: Arrays
    facts: dict[str, Any]


def path_of(run: RunDir, step: int) -> Path:
    """Where the facts of a step's record go; its arrays go beside them."""
    return run.diverged / f"step_{step:08d}.json"


def save(run: RunDir, step: int, batch: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Path:
    """Writes the record of a step, over one that is there; gives where.

    Args:
        run: Whose.
        step: The number of the step that was tried, from 1.
        batch: The fields of the batch.
        facts: What else is known, as JSON can hold it; numbers that are not finite become text.

    Raises:
        WriteError: It cannot be written; then there is no record.
    """
    need_held(run)
    final = path_of(run, step)
    arrays = final.with_suffix(".npz")
    with writing(final):
        run.diverged.mkdir(exist_ok=True)
        sync_folder(run.path)
        final.unlink(missing_ok=True)
    write_weights(arrays, batch)
    with writing(arrays):
        size, digest = _size_and_hash(arrays)
    body = {
        "format": FORMAT,
        "step": step,
        "facts": plain(facts),
        "arrays": described(batch),
        "files": {arrays.name: {"size": size, "sha256": digest}},
    }
    with replacing(final) as file:
        file.write(sealed(body))
    return final


def steps_of(run: RunDir) -> list[int]:
    """The steps that there are records of, in order."""
    found = [_OURS.fullmatch(p.name) for p in run.diverged.iterdir()] if run.diverged.is_dir() else []
    return sorted(int(name[1]) for name in found if name and name[2] == "json")


def load(run: RunDir, step: int | None = None) -> Kept:
    """The record of a step, or of the last one, if every byte is as it was written.

    Raises:
        CheckpointError: There is none, or it is damaged, or of a newer slimtrain.
    """
    steps = steps_of(run)
    if not steps:
        hint = "a run that stops at numbers that are not finite leaves one, and so does train.skip_non_finite"
        refuse(run.path, "has no record of a step whose numbers were not finite", hint)
    if step is not None and step not in steps:
        refuse(run.path, f"has no record of step {step}", f"there are {', '.join(map(str, steps))}")
    return _read(path_of(run, steps[-1] if step is None else step))


def _read(path: Path) -> Kept:
    body = _facts(path)
    arrays = path.with_suffix(".npz")
    wanted = body["files"][arrays.name]
    try:
        if arrays.stat().st_size != wanted["size"]:
            refuse(arrays, f"has {arrays.stat().st_size} bytes and should have {wanted['size']}")
        digest = _size_and_hash(arrays)[1]
    except OSError as error:
        refuse(arrays, f"cannot be read: {error.strerror}")
    if digest != wanted["sha256"]:
        refuse(arrays, f"is damaged: its SHA-256 is not the one in {path.name}")
    batch = read_weights(arrays)
    if described(batch) != body["arrays"]:
        refuse(arrays, f"does not hold the arrays that {path.name} lists")
    return Kept(body["step"], batch, body["facts"])


def _facts(path: Path) -> dict[str, Any]:
    try:
        text = small(path, _LIMIT)
        body = json.loads(text)
    except OSError as error:
        refuse(path, f"cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        refuse(path, "is damaged: it is not JSON")
    number = body.get("format") if isinstance(body, dict) else None
    if not isinstance(body, dict) or type(number) is not int or number < 1:
        refuse(path, "is not a record of slimtrain")
    if number > FORMAT:
        refuse(path, "was written by a newer slimtrain", "upgrade slimtrain")
    if not is_whole(body, text):
        refuse(path, "is damaged: its SHA-256 is not the one at its end")
    if f"step_{body['step']:08d}" != path.stem or path.with_suffix(".npz").name not in body["files"]:
        refuse(path, f"is the record of step {body['step']}, under another name")
    return dict(body)


def drop_after(run: RunDir, step: int) -> list[Path]:
    """Removes the records after a step, for a run that goes on from there; gives where they were.

    Raises:
        WriteError: One cannot be removed.
    """
    names = [(p, _OURS.fullmatch(p.name)) for p in run.diverged.iterdir()] if run.diverged.is_dir() else []
    gone = [p for p, name in names if name and (name[3] or int(name[1]) > step)]
    for path in sorted(gone):  # facts before arrays, and what a dead process left first
        with writing(path, "cannot be removed"):
            path.unlink()
    return gone


def _size_and_hash(path: Path) -> tuple[int, str]:
    with opened(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest
