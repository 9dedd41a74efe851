"""What a job does and says before it computes."""

import os
import subprocess
import sys

from slimtrain.jobs.starting import need_ready
from slimtrain.jobs.talk import Talk


def test_with_v_it_says_what_computes(capsys):
    need_ready(Talk(0))
    assert capsys.readouterr().err == ""
    need_ready(Talk(1))
    device, convolutions = capsys.readouterr().err.splitlines()
    assert device.startswith("device: cpu, ") and device.endswith(" threads")
    assert convolutions.startswith("convolutions: ")


IN_TURN = """
from slimtrain.jobs.starting import need_ready
from slimtrain.jobs.talk import QUIET
need_ready(QUIET)
import jax, jax.numpy as jnp
x = jnp.ones((1500, 1500))
print(all(jax.jit(lambda x: x @ x + n)(x).is_ready() for n in range(3)))
"""


def test_a_cpu_has_finished_when_it_is_asked():
    own = {name: value for name, value in os.environ.items() if name != "SLIMTRAIN_SELF_TEST"}
    done = subprocess.run([sys.executable, "-c", IN_TURN], capture_output=True, text=True, env=own)
    assert (done.stdout, done.stderr) == ("True\n", "")
