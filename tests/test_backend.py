"""What is set before JAX starts."""

import os
import stat
from importlib.metadata import version
from pathlib import Path

import pytest

from slimtrain import __version__
from slimtrain.backend import CACHE, YNN, cache_directory, prepare, trim_cache

FAULTY = version("jaxlib") == "0.10.2"


@pytest.mark.parametrize("given", ["", "--xla_force_host_platform_device_count=4"])
def test_the_faulty_fusion_is_off_and_the_users_flags_stay(monkeypatch, given):
    monkeypatch.setenv("XLA_FLAGS", given)
    prepare()
    wanted = f"{given} {YNN}=-reduce".strip() if FAULTY else given
    assert os.environ["XLA_FLAGS"] == wanted
    prepare()
    assert os.environ["XLA_FLAGS"] == wanted


def test_what_the_user_says_of_it_stands(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"{YNN}=reduce")
    prepare()
    assert os.environ["XLA_FLAGS"] == f"{YNN}=reduce"


def test_nothing_is_set_where_nothing_is_faulty(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    prepare()
    assert ("XLA_FLAGS" in os.environ) == FAULTY


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
    assert folder == cache_directory() and folder.parent == home
    assert folder.name.startswith(f"{__version__}-{version('jaxlib')}-")
    assert {stat.S_IMODE(p.stat().st_mode) for p in (home, folder)} == {0o700}
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "0"
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] == "7"
    assert cache_directory("a library of ours") not in (folder, cache_directory("another"))


def test_the_cache_is_the_users_to_move_and_to_switch_off(home, monkeypatch):
    monkeypatch.setenv(CACHE, "/somewhere")
    prepare()
    assert os.environ[CACHE] == "/somewhere"
    monkeypatch.delenv(CACHE)
    monkeypatch.setenv("SLIMTRAIN_CACHE", "0")
    prepare()
    assert CACHE not in os.environ and not home.exists()


def test_a_folder_that_others_can_write_is_not_used(home, tmp_path):
    cache_directory()
    home.chmod(0o770)
    assert cache_directory() is None
    home.chmod(0o700)
    folder = cache_directory()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert cache_directory() is None


def test_no_cache_where_no_folder_can_be_made(home, monkeypatch):
    home.parent.parent.write_text("in the way")
    assert cache_directory() is None


def test_the_longest_unused_programs_go_first(home):
    prepare()
    folder = Path(os.environ[CACHE])
    for number, name in enumerate(("b", "a", "c")):
        (folder / f"{name}-cache").write_bytes(bytes(100))
        os.utime(folder / f"{name}-cache", (number, number))
    trim_cache(300)
    assert len(list(folder.iterdir())) == 3
    trim_cache(150)
    assert [p.name for p in folder.iterdir()] == ["c-cache"]


def test_a_cache_of_the_users_own_is_left_alone(home, monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE, str(tmp_path))
    (tmp_path / "a-cache").write_bytes(bytes(100))
    trim_cache(0)
    assert (tmp_path / "a-cache").exists()
