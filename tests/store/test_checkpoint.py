"""Checkpoints: what is saved comes back bit for bit, what is damaged never does, a kill loses nothing."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimtrain.errors import CheckpointError, WriteError
from slimtrain.store import checkpoint
from slimtrain.store.rundir import RunDir, lock

ROOT = Path(__file__).parents[2]
DEAD = 2**22 + 1  # above the kernel's highest process number
ARRAYS = {
    "conv1/weights": np.arange(12, dtype=np.float32).reshape(3, 4),
    "conv1/flipped": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "rng/key": np.array([1, 2**32 - 1], np.uint32),
    "flag": np.array(True),
    "step": np.array(7, np.int32),
    "none": np.zeros((0, 3), np.float16),
}
FACTS = {"seed": 3, "best": float("-inf"), "monitor": "eval/accuracy"}


def _names(run: RunDir) -> list[str]:
    return sorted(os.listdir(run.checkpoints))


def test_everything_comes_back_bit_for_bit(tmp_path):
    run = RunDir(tmp_path)
    path = checkpoint.save(run, 1000, ARRAYS, FACTS)
    assert path == tmp_path / "checkpoints/step_00001000" and _names(run) == ["step_00001000"]
    arrays, manifest = checkpoint.load(path)
    assert manifest["step"] == 1000 and manifest["facts"] == FACTS and manifest["format"] == 1
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and arrays[name].shape == array.shape
        assert np.array_equal(arrays[name], array), name


def test_saving_a_step_again_replaces_it_only_if_it_differs(tmp_path):
    run = RunDir(tmp_path)
    path = checkpoint.save(run, 1, ARRAYS, FACTS)
    inode = path.stat().st_ino
    assert checkpoint.save(run, 1, ARRAYS, FACTS).stat().st_ino == inode
    checkpoint.save(run, 1, {"x": np.ones(2)}, {})
    assert checkpoint.load(path)[0].keys() == {"x"}
    (path / "state.safetensors").write_bytes(b"")
    checkpoint.save(run, 1, ARRAYS, FACTS)
    assert checkpoint.load(path)[0].keys() == ARRAYS.keys() and _names(run) == [path.name]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: shutil.rmtree(p), "step_00000001: there is no such checkpoint"),
        (lambda p: (p / "manifest.json").unlink(), "manifest.json cannot be read: No such file"),
        (lambda p: (p / "state.safetensors").unlink(), "state.safetensors cannot be read: No such file"),
        (lambda p: os.truncate(p / "state.safetensors", 5), "state.safetensors has 5 bytes and should have"),
        (
            lambda p: (p / "manifest.json").write_text("[" * 100_000),
            "manifest.json is damaged: it is not JSON",
        ),
        (lambda p: (p / "manifest.json").write_text('{"a": 1}'), "manifest.json is not one of slimtrain"),
        (
            lambda p: (p / "manifest.json").write_text('{"format": 2}'),
            r"was written by a newer slimtrain \(format 2, this one reads up to 1\); upgrade slimtrain",
        ),
        (
            lambda p: (p / "manifest.json").write_text('{"format": 1}'),
            "manifest.json is damaged: its SHA-256",
        ),
    ],
)
def test_each_damage_is_named(tmp_path, damage, message):
    path = checkpoint.save(RunDir(tmp_path), 1, ARRAYS, FACTS)
    damage(path)
    with pytest.raises(CheckpointError, match=message) as refused:
        checkpoint.load(path)
    assert refused.value.exit_code == 5


def test_a_changed_fact_and_a_swapped_file_are_seen(tmp_path):
    run = RunDir(tmp_path)
    one, two = checkpoint.save(run, 1, ARRAYS, FACTS), checkpoint.save(run, 2, {"x": np.ones(3)}, {})
    shutil.copy(one / "state.safetensors", two / "state.safetensors")
    with pytest.raises(CheckpointError, match="state.safetensors has"):
        checkpoint.verify(two)
    manifest = json.loads((one / "manifest.json").read_text())
    manifest["facts"]["seed"] = 4
    (one / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    with pytest.raises(CheckpointError, match="manifest.json is damaged: its SHA-256"):
        checkpoint.verify(one)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return checkpoint.save(RunDir(tmp_path_factory.mktemp("run")), 1, ARRAYS, FACTS)


@settings(max_examples=300, deadline=None)
@given(file=st.sampled_from(["manifest.json", "state.safetensors"]), cut=st.booleans(), at=st.floats(0, 1))
def test_no_cut_and_no_flipped_bit_is_loaded(whole, file, cut, at):
    good = (whole / file).read_bytes()
    bit = min(int(at * len(good) * 8), len(good) * 8 - 1)
    bad = bytearray(good[: bit // 8] if cut else good)
    if not cut:
        bad[bit // 8] ^= 1 << bit % 8
    try:
        (whole / file).write_bytes(bad)
        with pytest.raises(CheckpointError):
            checkpoint.load(whole)
    finally:
        (whole / file).write_bytes(good)
    checkpoint.verify(whole)


def test_find_says_what_there_is(tmp_path):
    run = RunDir(tmp_path)
    with pytest.raises(CheckpointError, match="has no checkpoint 'last'; .*there are none yet"):
        checkpoint.find(run, "last")
    paths = [checkpoint.save(run, step, ARRAYS, {}) for step in (100, 20)]
    checkpoint.point(run, "best", paths[0])
    assert run.best.read_text() == "step_00000100\n"
    assert checkpoint.find(run, "best") == checkpoint.find(run, "100") == paths[0]
    for which in ("7", "last", "newest", "../x", "9" * 5000):
        with pytest.raises(CheckpointError, match="give best, last or a step; there are 20, 100"):
            checkpoint.find(run, which)
    run.last.write_text("../../etc")
    with pytest.raises(CheckpointError, match="last: should name a checkpoint .got '../../etc'."):
        checkpoint.find(run, "last")


def test_prune_spares_the_newest_best_last_and_what_is_not_ours(tmp_path):
    run = RunDir(tmp_path)
    paths = [checkpoint.save(run, step, {"x": np.ones(1)}, {}) for step in range(1, 7)]
    checkpoint.point(run, "best", paths[0])
    checkpoint.point(run, "last", paths[1])
    (paths[2] / "manifest.json").write_text("{}")
    (run.checkpoints / "mine").mkdir()
    assert checkpoint.prune(run, 2) == [paths[3]]
    assert _names(run) == ["mine"] + [p.name for p in paths if p != paths[3]]


def test_the_walk_back_takes_the_newest_that_verifies_and_says_what_it_refused(tmp_path):
    run = RunDir(tmp_path)
    assert checkpoint.newest_verified(run) is None
    one, two = (checkpoint.save(run, step, ARRAYS, {}) for step in (1, 2))
    assert checkpoint.newest_verified(run) == (two, [])
    os.truncate(two / "state.safetensors", 9)
    path, refused = checkpoint.newest_verified(run)
    assert path == one and len(refused) == 1 and "step_00000002: state.safetensors has 9 bytes" in refused[0]
    (one / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="step_00000002(.|\n)*step_00000001"):
        checkpoint.newest_verified(run)


def test_leftovers_of_the_dead_are_finished_or_cleared_and_nothing_else_is_touched(tmp_path):
    run = RunDir(tmp_path)
    path = checkpoint.save(run, 5, ARRAYS, FACTS)
    path.rename(f"{path}.tmp-{DEAD}")
    for name in (
        f"step_00000006.tmp-{DEAD}",
        f"step_00000007.tmp-{os.getppid()}",
        "my.tmp-1",
        "step_1.tmp-1",
    ):
        (run.checkpoints / name).mkdir()
    checkpoint.save(run, 8, ARRAYS, FACTS)
    # Only the holder of the lock writes: a number that another process has by now saves no leftover.
    assert _names(run) == sorted(["my.tmp-1", "step_00000005", "step_00000008", "step_1.tmp-1"])
    assert checkpoint.verify(path)["step"] == 5


def test_what_is_not_ours_is_set_aside_where_a_checkpoint_goes(tmp_path):
    run = RunDir(tmp_path)
    for text in ('{"format": 2}', "mine"):
        path = checkpoint.path_of(run, 1)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        (path / "manifest.json").write_text(text)
        checkpoint.save(run, 1, ARRAYS, FACTS)
        assert checkpoint.verify(path)
    assert _names(run) == ["step_00000001", "step_00000001.refused", "step_00000001.refused-2"]
    assert (run.checkpoints / "step_00000001.refused" / "manifest.json").read_text() == '{"format": 2}'


def test_a_whole_leftover_is_put_back_though_its_process_number_is_taken(tmp_path):
    run = RunDir(tmp_path)
    path = checkpoint.save(run, 5, ARRAYS, FACTS)
    path.rename(f"{path}.old-{os.getppid()}")
    checkpoint.recover(run)
    assert _names(run) == [path.name] and checkpoint.verify(path)["step"] == 5


def test_a_checkpoint_under_the_name_of_another_step_is_refused(tmp_path):
    run = RunDir(tmp_path)
    one, two = (checkpoint.save(run, step, ARRAYS, {}) for step in (1, 2))
    for source, target in ((one, tmp_path / "kept"), (two, one), (tmp_path / "kept", two)):
        source.rename(target)
    with pytest.raises(CheckpointError, match="step_00000002: is the checkpoint of step 1, under another one's name"):
        checkpoint.newest_verified(run)
    assert checkpoint.verify(two.rename(tmp_path / "copy"))["step"] == 1, "a copy may have any name"


def test_a_newest_checkpoint_that_is_gone_is_told(tmp_path):
    run = RunDir(tmp_path)
    one, two = (checkpoint.save(run, step, ARRAYS, {}) for step in (1, 2))
    checkpoint.point(run, "last", two)
    shutil.rmtree(two)
    told = f"{two}: there is no such checkpoint, though 'last' names it"
    assert checkpoint.newest_verified(run) == (one, [told])
    (run.checkpoints / "step_00000003").mkdir()
    assert checkpoint.newest_verified(run)[1][0] == told
    shutil.rmtree(run.checkpoints)
    with pytest.raises(CheckpointError, match="there is no such checkpoint, though 'last' names it"):
        checkpoint.newest_verified(run)
    run.last.write_bytes(b"\xff\0")
    with pytest.raises(CheckpointError, match="its checkpoints are gone; to begin anew remove last, or take a new"):
        checkpoint.newest_verified(run)


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe\0", b"../../etc", b"step_1"])
def test_pointers_that_are_garbage_are_refused_by_name_and_forgotten_by_a_run_that_goes_on(tmp_path, garbage):
    run = RunDir(tmp_path)
    path = checkpoint.save(run, 1, ARRAYS, {})
    run.best.write_bytes(garbage)
    with pytest.raises(CheckpointError, match="best: should name a checkpoint .got"):
        checkpoint.find(run, "best")
    assert checkpoint.newest_verified(run) == (path, []) and checkpoint.drop_after(run, 1) == []
    assert not run.best.exists() and path.exists()


def test_what_is_held_is_not_written_to_once_it_is_gone_or_another_one(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    with lock(RunDir(path)) as run:
        checkpoint.save(run, 1, ARRAYS, {})
        path.rename(tmp_path / "moved")
        for _ in range(2):
            for write in (checkpoint.save, checkpoint.rehearse):
                with pytest.raises(WriteError, match="run: was removed, renamed or replaced while it was in use; noth"):
                    write(run, 2, ARRAYS, {})
            path.mkdir(exist_ok=True)
            (path / ".lock").touch()
        assert [p.name for p in path.iterdir()] == [".lock"]
        shutil.rmtree(path)
        (tmp_path / "moved").rename(path)
        checkpoint.save(run, 2, ARRAYS, {})
    assert _names(RunDir(path)) == ["step_00000001", "step_00000002"]


@pytest.mark.parametrize("call", range(1, 8))
@pytest.mark.parametrize("name", ["fsync", "rename"])
def test_a_failing_disk_loses_nothing(tmp_path, monkeypatch, name, call):
    run, real, calls = RunDir(tmp_path), getattr(os, name), iter(range(1, 100))
    path = checkpoint.save(run, 1, ARRAYS, FACTS)
    before = checkpoint.verify(path)

    def failing(*args):
        if next(calls) == call:
            raise OSError(28, "No space left on device")
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing)
        try:
            checkpoint.save(run, 1, {"x": np.ones(2)}, {})
        except WriteError as error:
            assert "step_00000001: cannot be written: No space left on device; free some space" in str(error)
    assert _names(run) == ["step_00000001"]
    assert checkpoint.verify(path)["arrays"].keys() in (before["arrays"].keys(), {"x"})


KILLED = """
import sys
from pathlib import Path
import numpy as np
from slimtrain.store import checkpoint
from slimtrain.store.rundir import RunDir
run, step = RunDir(Path(sys.argv[1])), int(sys.argv[2])
while True:
    step += 1
    path = checkpoint.save(run, step // 2, {"x": np.full(20_000, step, np.float32)}, {"x": step})
    checkpoint.point(run, "last", path)
    checkpoint.prune(run, 2)
    print("saved", flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_loadable_checkpoint(tmp_path):
    run, step = RunDir(tmp_path), 1
    for seed in range(8):
        command = [sys.executable, "-c", KILLED, tmp_path, str(step)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"saved\n"
        time.sleep(random.Random(seed).uniform(0.05, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        checkpoint.recover(run)
        found, refused = checkpoint.newest_verified(run)
        arrays, manifest = checkpoint.load(found)
        assert refused == [] and manifest["facts"]["x"] > step
        step = manifest["facts"]["x"]
        assert np.array_equal(arrays["x"], np.full(20_000, step, np.float32))
        checkpoint.load(checkpoint.find(run, "last"))
        assert not [name for name in _names(run) if ".tmp" in name or ".old" in name]


@pytest.mark.parametrize("name", ["manifest.json", "state.safetensors"])
def test_pipes_in_a_checkpoint_are_refused_and_not_waited_for(tmp_path, name):
    path = checkpoint.save(RunDir(tmp_path), 1, ARRAYS, {})
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(CheckpointError, match=f"{name} (cannot be read|is no file)"):
        checkpoint.load(path)


def test_pointers_that_are_no_text_or_pipes_name_nothing(tmp_path):
    run = RunDir(tmp_path)
    for step in (1, 2):
        checkpoint.save(run, step, ARRAYS, {})
    run.last.write_bytes(b"step_00000002\xff\n")
    os.mkfifo(run.best)
    for which in ("best", "last"):
        with pytest.raises(CheckpointError, match="should name a checkpoint"):
            checkpoint.find(run, which)
    assert [p.name for p in checkpoint.drop_after(run, 1)] == ["step_00000002"]
    assert not run.last.exists() and not run.best.exists()
