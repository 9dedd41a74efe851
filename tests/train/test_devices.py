"""The edge where functions are compiled."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp

from slimtrain.train.devices import environment, memory_of


def test_the_environment_names_versions_and_devices():
    told = environment()
    assert told["jax"] == jax.__version__
    assert told["backend"] == jax.default_backend()
    assert told["devices"] == len(jax.devices())
    assert told["device"]


def test_memory_is_what_the_compiler_plans_and_counts_donated_buffers_once():
    compiled = jax.jit(lambda x: x * 2).lower(jnp.ones(1000)).compile()
    assert memory_of(compiled) >= 8000
    sizes = {"argument_size_in_bytes": 10, "output_size_in_bytes": 7, "temp_size_in_bytes": 5, "alias_size_in_bytes": 4}
    assert memory_of(SimpleNamespace(memory_analysis=lambda: SimpleNamespace(**sizes))) == 18
    assert memory_of(SimpleNamespace(memory_analysis=lambda: None)) == 0
