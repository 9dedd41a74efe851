"""Checkpoints: written aside, verified, only then renamed into place; loaded only if every byte is right.

A checkpoint is a folder `step_00001000` with all arrays in one file and a manifest of sizes and hashes.
One process writes at a time: the one that holds the run's lock.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from slimtrain.errors import CheckpointError, Problem, WriteError
from slimtrain.store.files import sync_file, sync_folder, write_text, writing
from slimtrain.store.manifest import (
    MANIFEST,
    STATE,
    Manifest,
    described,
    manifest_text,
    read_manifest,
    refuse,
)
from slimtrain.store.manifest import verify as verify
from slimtrain.store.rundir import RunDir, first_free, need_held
from slimtrain.store.weights import Arrays, pack
from slimtrain.store.weights import read_weights as read_weights
from slimtrain.store.weights import write_weights as write_weights
from slimtrain.wire.regular import small

_POINTER_MOST = 4096
_STEP = re.compile(r"step_([0-9]{8,18})")
_LEFTOVER = re.compile(r"(step_[0-9]{8,18})\.(tmp|old|try)-([1-9][0-9]{0,8})")


def save(run: RunDir, step: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Path:
    """Writes a checkpoint; it is there whole and verified, or what was there before still is.

    Args:
        run: Where.
        step: How many steps are done, from 0.
        arrays: All of the state, by name.
        facts: What else a resume needs to know, as JSON can hold it.

    Raises:
        WriteError: It cannot be written, or does not read back as written.
    """
    need_held(run)
    recover(run)
    final = path_of(run, step)
    aside = _beside(final, "tmp")
    with writing(final):
        try:
            _write(aside, _packed(final, step, arrays, facts))
            need_held(run)
            _commit(aside, final)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            # Puts the old one back where the failure came between the two renames of a replacement.
            with suppress(WriteError):
                recover(run)
            raise
    return final


def rehearse(run: RunDir, step: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> int:
    """Writes a checkpoint aside, verifies it, and takes it away: whether one can be saved here; gives its bytes.

    Args:
        run: Where.
        step: How many steps are done, from 0.
        arrays: All of the state, by name.
        facts: As of `save`.

    Raises:
        WriteError: It cannot be written, or does not read back as written.
    """
    need_held(run)
    final = path_of(run, step)
    aside = _beside(final, "try")
    files = _packed(final, step, arrays, facts)
    with writing(final):
        try:
            _write(aside, files)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return sum(map(len, files.values()))


def room(run: RunDir) -> int:
    """Bytes that are free where the run's checkpoints go."""
    with writing(run.path, "cannot be looked at"):
        return shutil.disk_usage(run.path).free


def path_of(run: RunDir, step: int) -> Path:
    """Where the checkpoint of a step goes."""
    return run.checkpoints / f"step_{step:08d}"


def _packed(final: Path, step: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> dict[str, bytes]:
    state = pack(final, arrays)
    return {STATE: state, MANIFEST: manifest_text(step, facts, arrays, state)}


def _beside(final: Path, kind: Literal["tmp", "old", "try"]) -> Path:
    return final.with_name(f"{final.name}.{kind}-{os.getpid()}")


def _write(aside: Path, files: Mapping[str, bytes]) -> None:
    aside.parent.mkdir(exist_ok=True)
    aside.mkdir()
    sync_folder(aside.parent.parent)
    for name, data in files.items():
        with open(aside / name, "xb") as file:
            file.write(data)
            sync_file(file)
    sync_folder(aside)
    try:
        verify(aside)
    except CheckpointError as error:
        raise WriteError(Problem(str(aside), "does not read back as it was written", str(error))) from error


def _commit(aside: Path, final: Path) -> None:
    old = _beside(final, "old")
    if final.exists():
        if _verified(aside) == _verified(final):
            return shutil.rmtree(aside)
        # What has no manifest of ours may be a newer slimtrain's, or the user's.
        os.rename(final, old if _is_ours(final) else first_free(final.with_name(f"{final.name}.refused")))
    os.rename(aside, final)
    sync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _verified(path: Path) -> Manifest | None:
    try:
        return verify(path)
    except CheckpointError:
        return None


def recover(run: RunDir) -> None:
    """Finishes or clears what a process that died while saving left; for the holder of the run's lock.

    A whole checkpoint whose place is free is moved there; every other leftover is removed. Whose a leftover is does not
    matter, since only the holder writes; numbers of processes come again.

    Raises:
        WriteError: A leftover can be neither moved nor removed.
    """
    # "tmp" before "old": where both are whole, the newer one gets the place.
    for path in sorted(_folders(run), key=lambda p: p.name, reverse=True):
        if leftover := _LEFTOVER.fullmatch(path.name):
            with writing(path):
                _settle(path, path.with_name(leftover[1]), rehearsed=leftover[2] == "try")


def _settle(leftover: Path, final: Path, *, rehearsed: bool) -> None:
    if not rehearsed and not final.exists() and _verified(leftover):
        os.rename(leftover, final)
        sync_folder(final.parent)
    else:
        shutil.rmtree(leftover)


def _folders(run: RunDir) -> Iterator[Path]:
    if run.checkpoints.is_dir():
        yield from (p for p in run.checkpoints.iterdir() if p.is_dir() and not p.is_symlink())


def steps_of(run: RunDir) -> dict[int, Path]:
    """The checkpoint folders by step, oldest first, whole or not."""
    found = ((_STEP.fullmatch(p.name), p) for p in _folders(run))
    steps = {int(name[1]): p for name, p in found if name and p.name == f"step_{int(name[1]):08d}"}
    return dict(sorted(steps.items()))


def of_step(run: RunDir, step: int) -> Path | None:
    """Where the checkpoint of a step is, or None."""
    return steps_of(run).get(step)


def point(run: RunDir, which: Literal["best", "last"], path: Path) -> None:
    """Makes `best` or `last` name the checkpoint at `path`.

    Raises:
        WriteError: It cannot be written; it names what it named before.
    """
    need_held(run)
    write_text(run.path / which, path.name + "\n")


def _pointed(run: RunDir, which: str) -> Path | None:
    pointer = run.path / which
    if not os.path.lexists(pointer):
        return None
    if name := _name_in(pointer):
        return run.checkpoints / name
    refuse(pointer, f"should name a checkpoint{_instead(pointer)}")


def _name_in(pointer: Path) -> str:
    """The name of a checkpoint that is in a file; empty where something else is."""
    try:
        name = small(pointer, _POINTER_MOST).decode().strip()
    except (OSError, ValueError):
        return ""
    return name if _STEP.fullmatch(name) else ""


def _instead(pointer: Path) -> str:
    try:
        return f" (got {small(pointer, _POINTER_MOST)[:40].decode(errors='replace').strip()!r})"
    except OSError as error:
        return f", and cannot be read: {error.strerror}"


def prune(run: RunDir, keep: int) -> list[Path]:
    """Removes the oldest checkpoints, except those that `best` and `last` name; returns where they were.

    Args:
        run: Whose.
        keep: How many of the newest stay, from 0.

    Raises:
        CheckpointError: `best` or `last` does not say which checkpoint to spare; nothing is removed.
        WriteError: One cannot be removed.
    """
    spared = {_pointed(run, "best"), _pointed(run, "last")}
    newest_first = list(reversed(steps_of(run).values()))
    gone = [p for p in newest_first[keep:] if p not in spared and _is_ours(p)]
    for path in gone:
        with writing(path, "cannot be removed"):
            # Renamed first, so that no half of it is ever seen in its place.
            shutil.rmtree(path.rename(_beside(path, "old")))
    return gone


def drop_after(run: RunDir, step: int) -> list[Path]:
    """Removes the checkpoints after a step, for a run that goes on from there; returns where they were.

    Args:
        run: Whose; `best` and `last` are forgotten where they name one that goes, or cannot be read.
        step: The step that stays the newest.

    Raises:
        WriteError: One cannot be removed.
    """
    gone = [p for number, p in steps_of(run).items() if number > step and _is_ours(p)]
    for pointer in (run.best, run.last):
        with writing(pointer, "cannot be removed"):
            if os.path.lexists(pointer) and _name_in(pointer) in {"", *(p.name for p in gone)}:
                pointer.unlink()
    for path in gone:
        with writing(path, "cannot be removed"):
            shutil.rmtree(path.rename(_beside(path, "old")))
    return gone


def _is_ours(path: Path) -> bool:
    try:
        return bool(read_manifest(path))
    except CheckpointError:
        return False


def load(path: Path) -> tuple[Arrays, Manifest]:
    """The arrays and the manifest of a checkpoint that verifies.

    Raises:
        CheckpointError: It does not, or its arrays are not the ones its manifest lists.
    """
    manifest = verify(path)
    arrays = read_weights(path / STATE)
    if described(arrays) != manifest["arrays"]:
        refuse(path, f"the arrays in {STATE} are not the ones that {MANIFEST} lists")
    return arrays, manifest


def find(run: RunDir, which: str) -> Path:
    """Where the checkpoint is that `best`, `last` or a step number names.

    Raises:
        CheckpointError: There is none, or `which` is something else.
    """
    steps = steps_of(run)
    if which in ("best", "last"):
        path = _pointed(run, which)
    else:
        path = steps.get(int(which)) if re.fullmatch(r"[0-9]{1,18}", which) else None
    if path not in steps.values():
        there = "there are " + ", ".join(map(str, steps)) if steps else "there are none yet"
        refuse(run.path, f"has no checkpoint {which!r}", f"give best, last or a step; {there}")
    assert path is not None
    return path


def newest_verified(run: RunDir) -> tuple[Path, list[str]] | None:
    """The newest checkpoint that verifies, and why each newer one was refused; None where there never were any.

    Raises:
        CheckpointError: There are or were some, and none verifies.
    """
    steps, refused = steps_of(run), _lost(run)
    for step, path in reversed(steps.items()):
        try:
            verify(path)
            return path, [*(_gone(run) if _last_step(run) > step else []), *refused]
        except CheckpointError as error:
            refused.append(str(error))
    if refused := [*_gone(run), *refused]:
        raise CheckpointError(*refused)
    return None


def _last_step(run: RunDir) -> int:
    """The step that `last` names; -1 where it does not."""
    return int(_name_in(run.last).removeprefix("step_") or -1)


def _gone(run: RunDir) -> list[str]:
    """That the checkpoint that `last` names is not there any more."""
    step = _last_step(run)
    if step < 0 or step in steps_of(run):
        return []
    return [f"{path_of(run, step)}: there is no such checkpoint, though '{run.last.name}' names it"]


def _lost(run: RunDir) -> list[str]:
    """That there were checkpoints, where there are none and pointers tell of some."""
    there = [p.name for p in (run.last, run.best) if os.path.lexists(p)]
    if not there or steps_of(run):
        return []
    return [f"{run.path}: its checkpoints are gone; to begin anew remove {' and '.join(there)}, or take a new folder"]
