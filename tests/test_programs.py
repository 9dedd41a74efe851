"""The cache of compiled programs: where it is, who may write there, how large it gets, what a killed process leaves."""

import os
import stat
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from slimtrain import __version__, programs
from slimtrain.backend import prepare
from slimtrain.programs import CACHE


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("SLIMTRAIN_CACHE", CACHE, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(name, "")  # so that what the test sets is taken back
        monkeypatch.delenv(name)
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "7")
    return tmp_path / "cache" / "slimtrain" / "xla"


def test_programs_are_kept_in_a_private_folder_of_this_kind_of_machine(home):
    prepare()
    folder = Path(os.environ[CACHE])
    assert folder == programs.directory() and folder.parent == home
    assert folder.name.startswith(f"{__version__}-{version('jaxlib')}-")
    assert {stat.S_IMODE(p.stat().st_mode) for p in (home, folder)} == {0o700}
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "0"
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] == "7"
    assert programs.directory("a library of ours") not in (folder, programs.directory("another"))


def test_the_cache_is_the_users_to_move_and_to_switch_off(home, monkeypatch):
    monkeypatch.setenv(CACHE, "/somewhere")
    prepare()
    assert os.environ[CACHE] == "/somewhere"
    monkeypatch.delenv(CACHE)
    monkeypatch.setenv("SLIMTRAIN_CACHE", "0")
    prepare()
    assert CACHE not in os.environ and not home.exists()


def test_a_folder_that_others_can_write_is_not_used(home, tmp_path):
    programs.directory()
    home.chmod(0o770)
    assert programs.directory() is None
    home.chmod(0o700)
    folder = programs.directory()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert programs.directory() is None


def test_no_cache_where_no_folder_can_be_made(home, monkeypatch):
    home.parent.parent.write_text("in the way")
    assert programs.directory() is None


def test_the_longest_unused_programs_go_first(home):
    prepare()
    folder = Path(os.environ[CACHE])
    for number, name in enumerate(("b", "a", "c")):
        (folder / f"{name}-cache").write_bytes(bytes(100))
        os.utime(folder / f"{name}-cache", (number, number))
    programs.trim(300)
    assert len(list(folder.iterdir())) == 3
    programs.trim(150)
    assert [p.name for p in folder.iterdir()] == ["c-cache"]


def test_a_cache_of_the_users_own_is_left_alone(home, monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE, str(tmp_path))
    (tmp_path / "a-cache").write_bytes(bytes(100))
    programs.trim(0)
    assert (tmp_path / "a-cache").exists()


DIES = """
import os, signal, sys, time
from slimtrain import programs
from slimtrain.backend import prepare
prepare()
time.sleep(0.05)
programs.begin()
time.sleep(0.05)
open(os.path.join(os.environ[programs.CACHE], "half-cache"), "wb").write(b"half")
if sys.argv[1] == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
programs.end()
"""


@pytest.mark.parametrize("end", ["dies", "ends"])
def test_half_a_program_that_a_killed_process_left_is_gone_at_the_next_start(home, end):
    folder = programs.directory()
    (folder / "whole-cache").write_bytes(b"whole")
    time.sleep(0.05)
    (folder / f"compiling-{os.getppid()}").touch()  # of one that still runs
    subprocess.run([sys.executable, "-c", DIES, end], check=False)
    prepare()
    left = {path.name for path in folder.iterdir()} - {f"compiling-{os.getppid()}"}
    assert left == ({"whole-cache"} if end == "dies" else {"whole-cache", "half-cache"})


def test_a_cache_that_cannot_be_changed_stops_nothing(home, monkeypatch):
    folder = programs.directory()
    for name in ("compiling-4194305", "jit_f-cache", f"compiling-{os.getpid()}"):
        (folder / name).mkdir()  # which cannot be removed as a file
    monkeypatch.setenv(programs.CACHE, str(folder))
    programs.clear(folder)
    programs.begin()
    programs.end()
    programs.trim(0)
