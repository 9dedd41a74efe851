"""The self-test as a user meets it: once, quiet, and refusing where JAX computes wrong; all with real processes."""

import os
import stat
from importlib.metadata import version

import pytest

from slimtrain.backend import YNN
from slimtrain.errors import SlimtrainError
from slimtrain.jobs import selftest
from slimtrain.jobs.selftest import VARIABLE, need_right_numbers
from slimtrain.jobs.talk import QUIET, Talk

CHECKING = "checking JAX on this machine against float64, once"
# Lets NaN pass for a finite number, in every jaxlib.
UNSAFE = "--xla_cpu_enable_fast_math=true --xla_cpu_fast_math_honor_nans=false --xla_cpu_fast_math_honor_infs=false"


@pytest.fixture(autouse=True)
def wanted(monkeypatch):
    """The self-test, which other tests go without."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("SLIMTRAIN_NATIVE", "0")  # it would be built anew in each empty cache


@pytest.fixture
def command(spawn, small, tmp_path):
    """`fit` in a process of its own, with a cache that is empty at first: (code, stderr)."""

    def run(flags="", **variables):
        own = {"XDG_CACHE_HOME": str(tmp_path), "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} {flags}"}
        words = ("fit", small, "-v", "train={steps: 1}", "--run-dir", tmp_path / f"run{len(list(tmp_path.iterdir()))}")
        with spawn(*words, env={**os.environ, **own, **variables}) as process:
            err = process.communicate()[1]
        return process.returncode, err

    return run


def test_it_is_made_once(command, tmp_path):
    code, err = command()
    assert code == 0 and err.count(CHECKING) == 1
    (passed,) = (tmp_path / "slimtrain" / "selftest").iterdir()
    assert stat.S_IMODE(passed.parent.stat().st_mode) == 0o700 and f"jaxlib {version('jaxlib')}\n" in passed.read_text()
    code, err = command()
    assert code == 0 and CHECKING not in err
    code, err = command("--xla_cpu_enable_concurrency_optimized_scheduler=false")
    assert code == 0 and CHECKING in err, "other flags, other numbers"


def test_wrong_numbers_are_not_trained_with(command, tmp_path):
    for _ in range(2):
        code, err = command(UNSAFE)
        assert code == 1 and err.splitlines()[-1].startswith(
            f"jaxlib {version('jaxlib')}: computes wrong on this machine with XLA_FLAGS='"
        )
        assert "honor_infs=false': numbers that are not finite (not a number); " in err
        assert err.rstrip().endswith(f", or install another jaxlib; {VARIABLE}=0 goes on regardless")
    assert list(tmp_path.iterdir()) == [tmp_path / "slimtrain"]
    assert not list((tmp_path / "slimtrain" / "selftest").iterdir())
    code, err = command(UNSAFE, **{VARIABLE: "0"})
    assert code == 0 and CHECKING not in err


@pytest.mark.skipif(version("jaxlib") != "0.10.2", reason="later ones are right")
def test_the_known_fault_of_this_jaxlib_is_found(command):
    code, err = command(f"{YNN}=reduce")
    assert code == 1 and "sums of squares of many rows (off by 0.00" in err


def test_eval_and_time_are_held_to_it_too(spawn, small, run, tmp_path):
    variables = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "XLA_FLAGS": UNSAFE}
    for words in (["eval", run], ["time", small, "--steps", 1]):
        with spawn(*words, env=variables) as process:
            out, err = process.communicate()
        assert (process.returncode, out) == (1, "") and "numbers that are not finite (" in err


@pytest.mark.parametrize(
    "program, told",
    [
        ("print('one\\t0.5')\nprint('end')", "one (off by 0.5 of the largest value)"),
        ("print('one\\tnan')\nprint('end')", "one (not a number)"),
        ("print('one\\t0.0')\nprint('two', end='\\t', flush=True)\nos.abort()", "two (crashed or hung)"),
        ("print('one', end='\\t', flush=True)\ntime.sleep(60)", "one (crashed or hung)"),
        ("print('one\\t0.0', flush=True)\nos.abort()", "what comes after 'one' (crashed)"),
    ],
)
def test_programs_that_end_badly(tmp_path, monkeypatch, program, told):
    (tmp_path / "kernels.py").write_text(f"import os, time\n{program}\n")
    monkeypatch.setattr(selftest, "KERNELS", tmp_path / "kernels.py")
    monkeypatch.setattr(selftest, "PATIENCE", 5.0)
    with pytest.raises(SlimtrainError) as caught:
        need_right_numbers(QUIET)
    assert told in str(caught.value) and caught.value.exit_code == 1


def test_what_cannot_be_tried_is_told_and_not_held_against_the_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "kernels.py").write_text("raise OSError('no room for a second JAX')\n")
    monkeypatch.setattr(selftest, "KERNELS", tmp_path / "kernels.py")
    need_right_numbers(Talk())
    assert capsys.readouterr().err == (
        f"{CHECKING}\n"
        "self-test: JAX did not start a second time: OSError: no room for a second JAX; "
        "so what it computes here is not checked   [warning]\n"
    )


def test_what_lies_beside_the_program_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "kernels.py").write_text("import json\nprint('end')\n")
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong one')\n")
    monkeypatch.setattr(selftest, "KERNELS", tmp_path / "kernels.py")
    monkeypatch.chdir(tmp_path)
    need_right_numbers(QUIET)
