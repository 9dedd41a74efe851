"""The native part is built once for a machine, checked, and left out with a reason where it can't be had."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from slimtrain.native import build

TOLD = "from slimtrain import native; state = native.state(); print(state.ready, state.told)"


def told(**variables: str) -> str:
    """What a fresh process says of the native part."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", **variables}
    found = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, env=environment)
    assert not found.stderr, found.stderr
    return found.stdout.strip()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache in which the native part was built."""
    folder = tmp_path_factory.mktemp("cache")
    assert told(XDG_CACHE_HOME=str(folder)).startswith("True convolutions: oneDNN")
    return folder


def library_in(cache: Path) -> Path:
    [found] = cache.glob(f"slimtrain/native/*/{build.LIBRARY}")
    return found


@pytest.mark.parametrize("threads", [1, 7])
def test_it_agrees_with_float64_on_fewer_and_more_cores_than_examples(cache, threads):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "NPROC": str(threads)}  # XLA's own word for its threads
    command = [sys.executable, "-m", "slimtrain.native.check", str(library_in(cache))]
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_it_is_built_once_into_a_private_folder(cache):
    library = library_in(cache)
    assert stat.S_IMODE(library.parents[1].stat().st_mode) == 0o700
    before = library.stat().st_mtime_ns
    assert told(XDG_CACHE_HOME=str(cache)).endswith(f"({library})")
    assert library.stat().st_mtime_ns == before
    assert [path.name for path in library.parents[1].iterdir()] == [library.parent.name], "nothing half made is left"


def test_it_can_be_switched_off(cache):
    assert told(XDG_CACHE_HOME=str(cache), SLIMTRAIN_NATIVE="0") == "False convolutions: XLA (SLIMTRAIN_NATIVE=0)"


def test_without_a_compiler_it_says_what_to_install(tmp_path):
    said = told(XDG_CACHE_HOME=str(tmp_path), PATH=str(tmp_path))
    assert said == "False convolutions: XLA (no C++ compiler (g++ is not found); install g++ for faster convolutions)"


def test_a_compiler_that_fails_is_quoted(tmp_path):
    compiler = tmp_path / "bad++"
    compiler.write_text("#!/bin/sh\necho 'x.cpp:1: error: no such luck' >&2\nexit 1\n")
    compiler.chmod(0o755)
    said = told(XDG_CACHE_HOME=str(tmp_path), CXX=str(compiler))
    assert said == "False convolutions: XLA (the compiler failed: x.cpp:1: error: no such luck)"


def test_a_cache_that_others_can_write_to_is_not_loaded_from(cache, tmp_path):
    copy = shutil.copytree(cache, tmp_path / "open")
    (copy / "slimtrain" / "native").chmod(0o777)
    said = told(XDG_CACHE_HOME=str(copy))
    assert said.startswith("False convolutions: XLA (")
    assert said.endswith("native can be written by others; delete it, or chmod 700)")


def test_a_library_that_is_broken_is_named(cache, tmp_path):
    copy = shutil.copytree(cache, tmp_path / "broken")
    library_in(copy).write_bytes(b"\x7fELF and no more")
    said = told(XDG_CACHE_HOME=str(copy))
    assert said.startswith(f"False convolutions: XLA ({library_in(copy)} can't be loaded: ")
    assert said.endswith("delete its folder to have it built again)")


def test_what_computes_wrong_numbers_fails_its_check(cache, tmp_path):
    text = (build.SOURCE / "channel_sums.cpp").read_text()
    wrong = tmp_path / "source"
    shutil.copytree(build.SOURCE, wrong)
    (wrong / "channel_sums.cpp").write_text(text.replace("d * d;", "d * d + 1;"))
    command = (
        f"from pathlib import Path; from slimtrain.native import build; build.SOURCE = Path({str(wrong)!r}); {TOLD}"
    )
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, env=environment)
    assert found.stdout.startswith(
        "False convolutions: XLA (what was built failed its check: channel_powers is off by "
    )
    assert not list((tmp_path / "cache").glob(f"slimtrain/native/*/{build.LIBRARY}"))


def test_the_key_changes_with_what_goes_into_it(monkeypatch, tmp_path):
    before = build.recipe().key
    assert build.recipe().key == before
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-g"))
    assert build.recipe().key != before
