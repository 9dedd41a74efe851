"""The edge where functions are compiled."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from nets import layers

from slimtrain.train.devices import (
    compiled_eval_step,
    compiled_train_step,
    compiled_train_steps,
    environment,
    memory_of,
    room,
)
from slimtrain.train.held import Chosen, Held, stacked
from slimtrain.train.step import blank


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


NET = """[{conv2d: {num_outputs: 8, kernel_size: 3, stride: 2, normalizer_fn: batch_norm, scope: a}},
          {max_pool2d: {kernel_size: 2}}, {separable_conv2d: {num_outputs: 8, kernel_size: 3, scope: b}}, flatten,
          {dropout: {keep_prob: 0.8}}, {fully_connected: {num_outputs: 4, activation_fn: null, scope: c}}]"""
GOAL = "losses: [sparse_softmax_cross_entropy]\nmetrics: [accuracy]\noptimizer: {adam: 0.01}\n"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_steps_are_lowered_for_accelerators_without_a_call_of_ours(precision):
    task = layers(NET, (12, 12, 3), f"{GOAL}train: {{precision: {precision}, ema: 0.9}}").task
    split = {"image": np.zeros((20, 12, 12, 3), np.uint8), "label": np.zeros(20, np.int32)}
    chosen = Chosen(Held(split, np.zeros(256, np.float32)), np.zeros(8, np.int32), {})
    whole = {"image": np.zeros((8, 12, 12, 3), np.float32), "label": np.zeros(8, np.int32)}
    state = blank(task)
    for step, arguments in (
        (compiled_train_step(task), (state, whole)),
        (compiled_train_steps(task), (state, stacked([chosen] * 3))),
        (compiled_eval_step(task), (*state[:2], chosen)),
    ):
        text = export.export(step, platforms=("cuda", "tpu"))(*arguments).mlir_module()
        assert "stablehlo.convolution" in text and "slimtrain_" not in text
        assert ("bf16" in text) == (precision == "bfloat16")


def test_the_room_for_arrays_is_known():
    assert 2**20 < room() < 2**50
