"""Kinds of damage to a run directory, each drawn at random."""

import io
import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from slimtrain.store import checkpoint
from slimtrain.store.manifest import MANIFEST, STATE, manifest_text, sealed
from slimtrain.store.rundir import RunDir
from slimtrain.store.weights import pack

GARBAGE = (b"", b"\0" * 64, b"\xff\xfe\xfd", b"../../etc/passwd\n", b"step_99999999\n", b"[" * 2000, b"{}\n", b"null\n")


def damaged(kind: str, run: RunDir, draw: random.Random) -> None:
    """Does a kind of damage, if an earlier one has left anything to do it to."""
    if kind in RUN:
        RUN[kind](run, draw)
    elif folders := [p for p in checkpoint.steps_of(run).values() if p.is_dir()]:
        # The newest more often than the others, since it is what a resume takes.
        FOLDER[kind](draw.choice([folders[-1], *folders]), draw)


def cut(path: Path, draw: random.Random) -> None:
    file = some_file(path, draw)
    if size := size_of(file):
        os.truncate(file, draw.choice([0, 1, size - 1, draw.randrange(size)]))


def flip(path: Path, draw: random.Random) -> None:
    file = some_file(path, draw)
    if size_of(file):
        content = bytearray(file.read_bytes())
        for _ in range(draw.choice([1, 1, 2, 8])):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        file.write_bytes(content)


def blank(path: Path, draw: random.Random) -> None:
    file = some_file(path, draw)
    if size := size_of(file):
        at = draw.randrange(size)
        file.write_bytes(file.read_bytes()[:at] + b"\0" * (size - at))


def grow(path: Path, draw: random.Random) -> None:
    file = some_file(path, draw)
    if size_of(file):
        file.write_bytes(file.read_bytes() + draw.randbytes(draw.choice([1, 4096])))


def remove_file(path: Path, draw: random.Random) -> None:
    some_file(path, draw).unlink(missing_ok=True)


def remove_folder(path: Path, draw: random.Random) -> None:
    shutil.rmtree(path)


def swap_files(path: Path, draw: random.Random) -> None:
    other, name = beside(path, draw), draw.choice([MANIFEST, STATE])
    swap(path / name, other / name)


def swap_folders(path: Path, draw: random.Random) -> None:
    swap(path, beside(path, draw))


def npz(**arrays: np.ndarray) -> bytes:
    whole = io.BytesIO()
    np.savez(whole, **arrays)
    return whole.getvalue()


def foreign_file(path: Path, draw: random.Random) -> None:
    file = some_file(path, draw)
    file.unlink(missing_ok=True)
    made: list[Callable[[], Any]] = [
        lambda: file.write_bytes(npz(x=np.ones(3))),
        lambda: file.write_bytes(pack(file, {"x": np.ones(3)})),
        lambda: file.write_bytes(b"cos\nsystem\n(S'touch /tmp/pickled'\ntR."),
        lambda: file.write_bytes(draw.randbytes(500)),
        lambda: file.mkdir(),
        lambda: file.symlink_to(file.name),
        lambda: file.symlink_to("/dev/zero"),
        lambda: os.mkfifo(file),
    ]
    draw.choice(made)()


def foreign_folder(path: Path, draw: random.Random) -> None:
    target = path.with_name(draw.choice(["mine", "step_00000030", "step_1", "step_00000024.bak"]))
    if draw.random() < 0.5 and not target.exists():
        with suppress(shutil.Error):  # of a pipe that an earlier damage left
            shutil.copytree(path, target, symlinks=True) if draw.random() < 0.5 else target.mkdir()
    else:
        (path / "notes.txt").write_text("mine")


def newer(path: Path, draw: random.Random) -> None:
    change(path, lambda found: found.update(format=draw.choice([2, 10**9])))


def lie(path: Path, draw: random.Random) -> None:
    """A manifest with another content and the hash that fits it."""
    size = draw.randrange(10**6)
    lies: list[Callable[[Any], Any]] = [
        lambda found: found.update(step=found["step"] + draw.choice([-6, 1, 6, 10**9])),
        lambda found: found["files"][STATE].update(size=size),
        lambda found: found["files"][STATE].update(sha256="0" * 64),
        lambda found: found["files"].update({"../../../etc/passwd": {"size": 1, "sha256": ""}}),
        lambda found: found["arrays"].popitem(),
        lambda found: found["arrays"].update(more={"shape": [1], "dtype": "float32"}),
        lambda found: found.pop(draw.choice(["files", "arrays", "facts", "step"])),
        lambda found: found.update(files=draw.choice([[], None, {}, {STATE: None}])),
    ]
    change(path, draw.choice(lies))


def edit(path: Path, draw: random.Random) -> None:
    """A manifest that was edited and is still JSON, or is only set out otherwise."""
    file = path / MANIFEST
    if not size_of(file):
        return
    try:
        found = json.loads(file.read_bytes())
        found[draw.choice(list(found))] = draw.choice([0, "", {}, [], None, 2**70])
    except (ValueError, AttributeError, TypeError, IndexError):
        return
    file.write_text(json.dumps(found, indent=draw.choice([None, 1, 2])))


def another_shape(path: Path, draw: random.Random) -> None:
    """A whole checkpoint, of other arrays."""
    try:
        arrays, manifest = checkpoint.load(path)
    except Exception:
        return
    name = draw.choice([n for n in arrays if arrays[n].size])
    changes: list[Callable[[], Any]] = [
        lambda: np.zeros((*arrays[name].shape, 2), arrays[name].dtype),
        lambda: arrays[name].reshape(-1)[:0],
        lambda: arrays[name].astype(np.float64 if arrays[name].dtype != np.float64 else np.int8),
    ]
    arrays[draw.choice([name, f"{name}_more"])] = draw.choice(changes)()
    if draw.random() < 0.3:
        del arrays[name]
    state = pack(path, arrays)
    (path / STATE).write_bytes(state)
    (path / MANIFEST).write_bytes(manifest_text(manifest["step"], manifest["facts"], arrays, state))


def leftover(path: Path, draw: random.Random) -> None:
    """What a process leaves that dies while it saves: whole or torn, its place taken or free."""
    pid = draw.choice([1, os.getppid(), 2**22 + 1])
    aside = path.with_name(f"{path.name}.{draw.choice(['tmp', 'old', 'try'])}-{pid}")
    if aside.exists():
        return
    shutil.copytree(path, aside, symlinks=True, ignore_dangling_symlinks=True)
    if draw.random() < 0.5:
        draw.choice([cut, flip, remove_file])(aside, draw)
    if draw.random() < 0.5:
        shutil.rmtree(path)


def pointer(run: RunDir, draw: random.Random) -> None:
    path = draw.choice([run.best, run.last])
    garble(path, draw)


def lines(run: RunDir, draw: random.Random) -> None:
    """Lines of metrics that are torn, garbage, or of other types."""
    if not run.metrics.is_file():
        return
    found = run.metrics.read_bytes().splitlines(keepends=True)
    bad = [b'{"step": 3, "lo', b"\0\0\0\n", b"[]\n", b'{"eval/loss": 1}\n', b'{"step": "x", "train/loss": 1}\n']
    bad += [b'{"step": 6, "eval/accuracy": "high", "eval/loss": []}\n', b'{"step": 1e999}\n', b'"' * 99, b"\xff\n"]
    found.insert(draw.randrange(len(found) + 1), draw.choice(bad))
    content = b"".join(found)
    run.metrics.write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])


def record(run: RunDir, draw: random.Random) -> None:
    """Another file of the run: garbage, a folder, gone."""
    garble(
        draw.choice([run.config, run.resolved, run.plan, run.variables, run.data, run.env, run.metrics, run.lock]), draw
    )


def no_checkpoints(run: RunDir, draw: random.Random) -> None:
    """The folder of checkpoints gone, empty, or a file."""
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    how = draw.randrange(3)
    if how == 1:
        run.checkpoints.mkdir(exist_ok=True)
    elif how == 2:
        run.checkpoints.write_bytes(b"")


def garble(path: Path, draw: random.Random) -> None:
    """Garbage, a folder, a link to itself, or nothing in the place of a file."""
    path.unlink(missing_ok=True) if not path.is_dir() else shutil.rmtree(path)
    how = draw.randrange(8)
    if how == 0:
        path.mkdir()
    elif how == 1:
        path.symlink_to(path.name)
    elif how > 2:
        path.write_bytes(draw.choice([*GARBAGE, draw.randbytes(30)]))


def some_file(path: Path, draw: random.Random) -> Path:
    return path / draw.choice([STATE, MANIFEST])


def size_of(file: Path) -> int:
    """The bytes of a file; 0 for what is none."""
    return file.stat().st_size if file.is_file() else 0


def beside(path: Path, draw: random.Random) -> Path:
    """Another checkpoint's folder, or this one where there is no other."""
    others = [p for p in path.parent.iterdir() if p.is_dir() and p.name.startswith("step_0") and p != path]
    return draw.choice(sorted(others)) if others else path


def swap(one: Path, other: Path) -> None:
    if one != other and one.exists() and other.exists():
        aside = one.with_name("aside")
        one.rename(aside)
        other.rename(one)
        aside.rename(other)


def change(path: Path, how: Callable[[Any], Any]) -> None:
    """Changes a manifest and gives it the hash that fits."""
    try:
        found = checkpoint.read_manifest(path)
    except Exception:
        return
    found.pop("sha256")
    how(found)
    (path / MANIFEST).write_bytes(sealed(found))


FOLDER: Mapping[str, Callable[[Path, random.Random], None]] = {
    "truncated": cut,
    "flipped bits": flip,
    "zeros at the end": blank,
    "bytes added": grow,
    "a file gone": remove_file,
    "a checkpoint gone": remove_folder,
    "files swapped between steps": swap_files,
    "steps swapped": swap_folders,
    "foreign file": foreign_file,
    "foreign folder": foreign_folder,
    "newer version": newer,
    "manifest that lies, sealed": lie,
    "manifest edited": edit,
    "other arrays": another_shape,
    "leftovers": leftover,
}
RUN: Mapping[str, Callable[[RunDir, random.Random], None]] = {
    "pointers": pointer,
    "metrics lines": lines,
    "records": record,
    "checkpoints gone": no_checkpoints,
}
KINDS = (*FOLDER, *RUN)
