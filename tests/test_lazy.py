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
