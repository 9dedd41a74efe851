"""Stand-ins for modules: nothing is imported before an attribute is read."""

import subprocess
import sys


def test_jax_starts_at_first_use_only():
    script = """
import sys
from slimtrain.lazy import jax, jnp, lax, optax
assert not {"jax", "optax"} & set(sys.modules)
assert jnp.float32 is __import__("jax.numpy").numpy.float32 and jax.jit and lax.add and optax.trace
assert {"jax", "optax"} <= set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_signal_while_jax_loads_is_heeded_once_it_has():
    script = """
import os, signal, sys

class Sender:
    def find_spec(self, name, *rest):
        if name.startswith("jaxlib."):
            os.kill(os.getpid(), signal.SIGTERM)

def stop(number, frame):
    raise SystemExit(f"stopped with jax {'jax' in sys.modules and hasattr(sys.modules['jax'], 'jit')}")

signal.signal(signal.SIGTERM, stop)
sys.meta_path.insert(0, Sender())
from slimtrain.lazy import jax
try:
    jax.jit
finally:
    assert signal.getsignal(signal.SIGTERM) is stop
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "stopped with jax True\n")
