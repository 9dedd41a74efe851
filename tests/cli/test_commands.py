"""The command line by itself: help, versions, slips, what starts without JAX; codes and words of unexpected ends."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from slimtrain import __version__
from slimtrain.cli import main
from slimtrain.cli.group import Group, unexpected
from slimtrain.errors import Interrupted

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "configs" / "digits.yaml"
WITHOUT_JAX = f"""
import sys
import time
from slimtrain.cli import main
for words in (["--help"], ["-V"], ["fit", "--help"], ["check", "--fast", {str(DIGITS)!r}], ["resolve", {str(DIGITS)!r}],
              ["explain", {str(DIGITS)!r}, "train.epochs"], ["schema"], ["layers"], ["layers", "conv2d"], ["init"]):
    try:
        main(words, standalone_mode=False)
    except SystemExit as left:
        assert not left.code, words
    found = {{"jax", "jaxlib", "optax"}} & set(sys.modules)
    assert not found, (words, found)
"""

HELP = """
import sys
import time
NEEDLESS = {"numpy", "pydantic", "yaml", "tqdm", "ctypes", "difflib", "traceback", "slimtrain.jobs"}
from slimtrain.cli import main
try:
    main(["--help"])
finally:
    print(*sorted(NEEDLESS & set(sys.modules)))
"""


def cli(*words):
    """The command line, in this process."""
    return CliRunner().invoke(main, [str(w) for w in words], prog_name="slimtrain")


def test_reading_commands_start_no_jax(tmp_path):
    done = subprocess.run([sys.executable, "-c", WITHOUT_JAX], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and list(tmp_path.iterdir()) == []


def test_help_loads_nothing_that_it_does_not_need():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "", "")


def test_help_comes_within_150_milliseconds_of_click():
    """In processor time, which other programs lengthen less; the least of five each, in turns."""
    times: dict[str, list[float]] = {"import click": [], "from slimtrain.cli import main; main(['--help'])": []}
    for _ in range(5):
        for code, taken in times.items():
            process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            taken.append(used.ru_utime + used.ru_stime)
    base, ours = (min(taken) for taken in times.values())
    assert ours - base < 0.15


def test_help_and_version():
    assert cli("-V").output == f"slimtrain, version {__version__}\n"
    assert cli("-h").output == cli("--help").output
    for name in main.commands:
        told = cli(name, "-h")
        assert told.exit_code == 0 and told.output.startswith(f"Usage: slimtrain {name} "), name


@pytest.mark.parametrize("name", [n for n in main.commands if n not in ("schema", "init", "completion", "export")])
def test_reading_commands_take_json(name):
    assert "--json" in cli(name, "-h").output


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["fti"], "No such command 'fti'. did you mean 'fit'?"),
        (["inspct", "x"], "No such command 'inspct'. did you mean 'inspect'"),
        (["zzzz"], "Error: No such command 'zzzz'."),
        (["fit"], "Missing argument 'CONFIG'"),
        (["fit", "--resume"], "Missing argument 'CONFIG'"),
        (["fit", "x.yaml", "--jsn"], "No such option"),
        (["fit", "x.yaml"], "x.yaml: cannot be read: No such file or directory; write a starter config"),
        (["time", DIGITS, "--steps", "0"], "0 is not in the range x>=1"),
        (["inspect", DIGITS, "--batch", "-1"], "-1 is not in the range x>=1"),
        (["explain", DIGITS], "Missing argument 'KEY'"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_slips_are_told(words, sentence):
    done = cli(*words)
    assert done.exit_code == 2 and sentence in done.stderr and done.stdout == "", done.stderr


def test_completion():
    done = cli("completion", "bash")
    assert done.exit_code == 0 and "_SLIMTRAIN_COMPLETE=bash_complete" in done.stdout
    if bash := shutil.which("bash"):
        assert subprocess.run([bash, "-n"], input=done.stdout, text=True).returncode == 0


def test_stdout_is_one_json_object():
    for words in (
        ["check", DIGITS, "--fast"],
        ["resolve", DIGITS],
        ["explain", DIGITS, "seed"],
        ["layers"],
        ["inspect", DIGITS],
    ):
        assert isinstance(json.loads(cli(*words, "--json").stdout), dict)


@pytest.mark.parametrize(
    "error, code, lines",
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), 74, ["cannot write: No space left on device: x"]),
        (MemoryError(), 1, ["out of memory: MemoryError; lower data.batch_size, or set 'remat: true' on blocks"]),
        (ValueError("bad\nlines"), 1, ["ValueError: bad", "run 'slimtrain --debug ...' for the traceback"]),
    ],
)
def test_unexpected_ends(error, code, lines):
    @click.group(cls=Group)
    def broken():
        pass

    @broken.command()
    def now():
        raise error

    done = CliRunner().invoke(broken, ["now"])
    assert (done.exit_code, done.stderr.splitlines()) == (code, lines)
    assert unexpected(error) == (code, lines)


def heeds(pid, number):
    """Whether a process has a handler of a signal: before, Python is still starting."""
    caught = re.search("SigCgt:\\s*(\\w+)", Path(f"/proc/{pid}/status").read_text())
    return int(caught[1], 16) >> (number - 1) & 1


@pytest.mark.parametrize("module", ["slimtrain", "slimtrain.cli"])
def test_it_runs_as_a_module(module):
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("Usage: slimtrain"), done


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_soon_after_the_start_leaves_with_its_code(tmp_path, number, code):
    words = [sys.executable, "-m", "slimtrain.cli", "fit", DIGITS]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not heeds(process.pid, number):
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code and err.splitlines()[-1].startswith(f"stopped by {number.name}")
    assert "saved" in err or not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_whose_exception_python_drops_comes_again(number):
    script = """
import os, sys, time
from slimtrain.cli.group import heed

class Dropping:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))

heed()
try:
    del (held := [Dropping()])[0]
    time.sleep(20)
except KeyboardInterrupt as error:
    sys.exit(100 + error.signal_number)
"""
    done = subprocess.run([sys.executable, "-c", script, str(int(number))], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (100 + number, "")


def test_an_interrupt_that_became_another_error_is_still_one():
    @click.group(cls=Group)
    def broken():
        pass

    @broken.command()
    def now():
        raise RuntimeError("while a class was built") from Interrupted(signal.SIGTERM)

    done = CliRunner().invoke(broken, ["now"])
    assert (done.exit_code, done.stderr) == (143, "stopped by SIGTERM\n")


@pytest.mark.parametrize("after", [3.0, 4.0])
def test_ctrl_c_outside_training_does_not_crash(tmp_path, after):
    words = [sys.executable, "-m", "slimtrain.cli", "time", DIGITS, "--steps", "100000"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        # Python sees no interrupt while XLA compiles: people press it again.
        for wait in (after, *[3] * 20):
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=wait)
                break
            process.send_signal(signal.SIGINT)
        process.kill()
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "") and err.endswith("stopped by SIGINT\n")
