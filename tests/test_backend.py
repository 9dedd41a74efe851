"""What is set before JAX starts; in processes of their own, where it has not."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from slimtrain.backend import YNN

FAULTY = version("jaxlib") == "0.10.2"
TWICE = """
import os
from slimtrain.backend import prepare
prepare()
prepare()
print(os.environ.get("XLA_FLAGS", "none"))
"""
LATE = "import jax.numpy as jnp\njnp.ones(3)\n" + TWICE
IMPORTED = "import jax\n" + TWICE


def flags_after(program, given=None):
    """XLA_FLAGS as a program leaves them that starts with `given`."""
    own = {n: v for n, v in os.environ.items() if n != "XLA_FLAGS"} | ({} if given is None else {"XLA_FLAGS": given})
    done = subprocess.run([sys.executable, "-c", program], env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


@pytest.mark.parametrize("program", [TWICE, IMPORTED])
@pytest.mark.parametrize("given", ["", "--xla_force_host_platform_device_count=4"])
def test_the_faulty_fusion_is_off_and_the_users_flags_stay(given, program):
    assert flags_after(program, given) == (f"{given} {YNN}=-reduce".strip() if FAULTY else given)


def test_what_the_user_says_of_it_stands():
    assert flags_after(TWICE, f"{YNN}=reduce") == f"{YNN}=reduce"


def test_nothing_is_set_where_nothing_is_faulty():
    assert flags_after(TWICE) == (f"{YNN}=-reduce" if FAULTY else "none")


def test_nothing_is_set_where_jax_has_read_its_flags():
    assert flags_after(LATE) == "none"


TRAINS_LATE = """
import sys
from pathlib import Path
import jax.numpy as jnp
jnp.ones(3)
import slimtrain
try:
    slimtrain.fit(slimtrain.Request(slimtrain.load(Path(sys.argv[1]), ["train={steps: 1}"]), Path(sys.argv[2])))
except slimtrain.SlimtrainError as error:
    print(error)
"""


@pytest.mark.skipif(not FAULTY, reason="later ones are right")
def test_a_program_that_starts_jax_first_is_not_let_train_on_wrong_sums(tmp_path):
    own = {n: v for n, v in os.environ.items() if n not in ("XLA_FLAGS", "SLIMTRAIN_SELF_TEST")}
    words = [sys.executable, "-c", TRAINS_LATE, "configs/digits.yaml", str(tmp_path / "run")]
    done = subprocess.run(words, env=own, capture_output=True, text=True)
    assert done.returncode == 0 and "jaxlib 0.10.2: computes wrong on this machine: sums of squares" in done.stdout
