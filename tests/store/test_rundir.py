"""Run directories: names, refusals, the lock between real processes, writes that happen whole."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slimtrain.errors import CheckpointError, ConfigError, RunInUseError, WriteError
from slimtrain.store import rundir
from slimtrain.store.rundir import RunDir

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from slimtrain.store.rundir import RunDir, lock
with lock(RunDir(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def _holder(path: Path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, path], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


def test_default_path_counts_up_to_a_free_name(tmp_path):
    assert rundir.default_path(tmp_path, "mnist") == tmp_path / "runs/mnist"
    (tmp_path / "runs/mnist").mkdir(parents=True)
    (tmp_path / "runs/mnist-2").symlink_to("nowhere")
    assert rundir.default_path(tmp_path, "mnist") == tmp_path / "runs/mnist-3"


@pytest.mark.parametrize("name", ["", "../x", "/etc", ".hidden", "a/b", "a\0", "a\n", "é", "x" * 65])
def test_names_that_could_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot name a run directory; use 1 to 64 letters"):
        rundir.default_path(tmp_path, name)


@pytest.mark.parametrize("there", ["config.yaml", "resolved.yaml", "checkpoints"])
def test_a_run_is_never_overwritten_silently(tmp_path, there):
    path = tmp_path / "exp"
    assert rundir.create(path, resume=False) == RunDir(path)
    (path / there).mkdir()
    with pytest.raises(ConfigError) as refused:
        rundir.create(path, resume=False)
    assert str(refused.value) == (
        f"{path}: holds a run already; add --resume to go on with it, or start a new one with --run-dir {path}-2"
    )
    assert rundir.create(path, resume=True) == rundir.open_run(path) == RunDir(path)


def test_create_says_why_it_cannot(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file: cannot be made a run directory: File exists"):
        rundir.create(tmp_path / "file", resume=False)
    with pytest.raises(WriteError, match="cannot be made a run directory: Not a directory"):
        rundir.create(tmp_path / "file/run", resume=True)
    with pytest.raises(WriteError, match="File name too long"):
        rundir.create(tmp_path / ("x" * 300), resume=False)


def test_open_run_says_what_a_run_holds(tmp_path):
    with pytest.raises(ConfigError, match="is not a run directory; a run directory holds config.yaml, resolved"):
        rundir.open_run(tmp_path)
    with pytest.raises(ConfigError, match="does not exist"):
        rundir.open_run(tmp_path / "no")


def test_the_second_process_is_refused_and_told_who_holds_the_run(tmp_path):
    run = RunDir(tmp_path)
    holder = _holder(tmp_path)
    try:
        with pytest.raises(RunInUseError, match=f"is in use by process {holder.pid} on .* since 20") as refused:
            with rundir.lock(run):
                pass
        assert refused.value.exit_code == 6
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with rundir.lock(run):
            assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    finally:
        holder.kill()
        holder.communicate()


def test_the_lock_is_let_go_after_an_error_which_it_leaves_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), rundir.lock(RunDir(tmp_path)):
        open(tmp_path / "no")
    with rundir.lock(RunDir(tmp_path)), pytest.raises(RunInUseError, match=f"process {os.getpid()} "):
        with rundir.lock(RunDir(tmp_path)):
            pass


def test_writes_replace_whole_and_leave_nothing_beside(tmp_path):
    path = tmp_path / "a.json"
    rundir.write_text(path, "old é\n")
    assert path.read_text(encoding="utf-8") == "old é\n"
    rundir.write_json(path, {"b": [1, float("inf")], "a": (float("nan"),)})
    assert json.loads(path.read_text()) == {"b": [1, "inf"], "a": ["nan"]}
    assert list(json.loads(path.read_text())) == ["b", "a"]
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_write_that_fails_keeps_the_old_file_and_says_why(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    rundir.write_text(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="cannot be written: No space left on device; free some space") as failed:
        rundir.write_text(path, "new")
    assert failed.value.exit_code == 74
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]
    with pytest.raises(WriteError, match="no/b.txt: cannot be written: No such file or directory; check that"):
        rundir.write_text(tmp_path / "no/b.txt", "x")


def test_the_room_never_imports_jax():
    code = "import sys, slimtrain.store.checkpoint, slimtrain.store.metrics; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_json_files_of_a_run(tmp_path):
    path = RunDir(tmp_path).data
    assert rundir.read_json(path) == {}
    rundir.write_json(path, {"classes": 10})
    assert rundir.read_json(path) == {"classes": 10}
    for text, told in (("{", "cannot be read: Expecting"), ("[]", "should hold a JSON object")):
        path.write_text(text)
        with pytest.raises(CheckpointError, match=f"data.json: {told}"):
            rundir.read_json(path)


def test_a_run_that_is_in_use_is_told_as_such_even_to_one_that_would_begin_anew(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    holder = _holder(path)
    try:
        (path / "config.yaml").touch()
        with pytest.raises(RunInUseError, match=f"is in use by process {holder.pid} on "):
            rundir.create(path, resume=False)
    finally:
        holder.kill()
        holder.communicate()
    with pytest.raises(ConfigError, match="holds a run already"):
        rundir.create(path, resume=False)


CLAIM = """
import sys
from pathlib import Path
from slimtrain.store.rundir import create_default
sys.stdin.readline()
print(create_default(Path(sys.argv[1]), "net").path.name)
"""


def test_processes_at_once_get_a_directory_each(tmp_path):
    command = [sys.executable, "-c", CLAIM, tmp_path]
    started = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    for process in started:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    names = [process.communicate()[0].decode().strip() for process in started]
    assert sorted(names) == ["net", "net-2", "net-3", "net-4"]


def test_a_file_in_the_place_of_runs_is_told(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(WriteError, match="runs/net: cannot be made a run directory: File exists"):
        rundir.create_default(tmp_path, "net")


@pytest.mark.parametrize(
    "flock, told",
    [
        (lambda file, how: None, "cannot be locked: locks do not hold here"),
        (
            lambda file, how: (_ for _ in ()).throw(OSError(37, "No locks available")),
            "cannot be locked: No locks avail",
        ),
    ],
)
def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch, flock, told):
    monkeypatch.setattr(rundir.fcntl, "flock", flock)
    with pytest.raises(WriteError, match=f"{told}.*; give a --run-dir on a file system with locks") as refused:
        with rundir.lock(RunDir(tmp_path)):
            pass
    assert refused.value.exit_code == 74


def test_halves_of_files_that_a_dead_process_left_are_removed(tmp_path):
    for name in (".best.tmp-7", ".env.json.tmp-123", ".mine.tmp-7", "best"):
        (tmp_path / name).touch()
    rundir.clear(RunDir(tmp_path))
    assert sorted(os.listdir(tmp_path)) == [".mine.tmp-7", "best"]


def test_json_that_is_no_file_or_too_long_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "data.json"
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="data.json: cannot be read: .*pipe or a device"):
        rundir.read_json(path)
    path.unlink()
    path.write_text("{}" + " " * 99)
    monkeypatch.setattr("slimtrain.store.rundir.MOST_BYTES", 100)
    with pytest.raises(CheckpointError, match="it has more than 100 bytes"):
        rundir.read_json(path)


def test_a_list_of_records_that_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "plan.json")
    assert rundir.read_records(tmp_path / "plan.json") == []
