"""From a plan to a function: the order of items, joins, taps, inputs by name, end points."""

import jax
import numpy as np
import pytest
from nets import layers, numbers, whole

from slimtrain.errors import ConfigError

INPUTS = numbers(2, 4)


def points(items, shape=(4,), training=True, variables=None, inputs=INPUTS):
    net = layers(items, shape)
    output, _, found = net.run(net.random() if variables is None else variables, inputs, training)
    assert list(found) and np.array_equal(output, found["__output__"])
    assert [e.name for e in net.network.declaration.end_points if e.name in found] == [
        e.name for e in net.network.declaration.end_points
    ]
    return {n: np.asarray(v) for n, v in found.items()}


def test_an_item_takes_the_output_of_the_one_before_it():
    found = points("[activation: {scope: a}, activation: {activation_fn: tanh, scope: b}]")
    np.testing.assert_allclose(found["b"], np.tanh(np.maximum(INPUTS, 0)), 1e-6)


def test_inputs_take_an_earlier_end_point_and_alias_names_one_more():
    found = points(
        """[activation: {scope: a, alias: [x, y]}, activation: {activation_fn: tanh, scope: b},
            activation: {scope: c, inputs: x}]"""
    )
    np.testing.assert_array_equal(found["c"], found["a"])
    np.testing.assert_array_equal(found["y"], found["a"])


def test_a_tap_is_a_side_branch():
    found = points(
        """[activation: {scope: a}, tap: {layers: [fully_connected: {num_outputs: 3, scope: aux}]},
            activation: {scope: b}]"""
    )
    assert found["aux"].shape == (2, 3)
    np.testing.assert_array_equal(found["b"], found["a"])


def test_blocks_and_joins_with_a_scope_are_end_points():
    items = """[{scope: block, layers: [fully_connected: {num_outputs: 4, scope: fc}]},
                residual: {scope: res, layers: [fully_connected: {num_outputs: 4, scope: fc}], activation_fn: relu},
                concat: {scope: cat, branches: [[], [fully_connected: {num_outputs: 3, scope: one}]]},
                multiply: {scope: times, inputs: [block, res]}]"""
    found = points(items)
    assert set(found) == {"block/fc", "block", "res/fc", "res", "cat/one", "cat", "times", "__output__"}
    np.testing.assert_allclose(found["res"], np.maximum(found["block"] + found["res/fc"], 0), 1e-5)
    np.testing.assert_array_equal(found["cat"], np.concatenate([found["res"], found["cat/one"]], -1))
    np.testing.assert_allclose(found["times"], found["block"] * found["res"], 1e-5)


def test_a_block_without_a_scope_is_no_end_point_and_opens_none():
    assert set(points("[{layers: [fully_connected: {num_outputs: 4, scope: fc}]}]")) == {"fc", "__output__"}


def test_a_name_taken_again_keeps_the_last_value_and_the_alias_the_earlier():
    items = """[fully_connected: {num_outputs: 4, scope: fc, alias: first},
                fully_connected: {num_outputs: 4, scope: fc, reuse: true}]"""
    found = points(items)
    assert np.any(found["first"] != found["fc"])
    np.testing.assert_array_equal(found["fc"], found["__output__"])


def test_a_normalizer_inside_a_layer_is_an_end_point_before_it():
    found = points("[fully_connected: {num_outputs: 4, scope: fc, normalizer_fn: batch_norm}]")
    assert list(layers("[fully_connected: {num_outputs: 4, normalizer_fn: batch_norm}]", (4,)).specs)[1] == (
        "fully_connected/BatchNorm/beta"
    )
    np.testing.assert_array_equal(found["fc"], np.maximum(found["fc/BatchNorm"], 0))


def test_outputs_collections_are_listed_with_the_end_point():
    words = "outputs_collections: [mine], normalizer_fn: batch_norm, normalizer_params: {outputs_collections: norms}"
    net = layers(f"[fully_connected: {{num_outputs: 4, scope: fc, {words}}}]", (4,))
    assert {e.name: e.collections for e in net.network.declaration.end_points} == {
        "fc/BatchNorm": ("norms",),
        "fc": ("mine",),
        "__output__": (),
    }


def test_normalizer_arguments_beat_an_arg_scope_and_components_inside_are_bound():
    text = """
model:
  input: {shape: [4]}
  arg_scope: [{ops: batch_norm, decay: 0.5, activation_fn: {leaky_relu: {alpha: 0.1}}}]
  layers:
    - fully_connected: {num_outputs: 4, scope: fc, activation_fn: null,
                        normalizer_fn: batch_norm, normalizer_params: {decay: 0.0}}
"""
    net = whole(text)
    output, after, found = net.run(net.start(), INPUTS, training=True)
    np.testing.assert_allclose(
        after["fc/BatchNorm/moving_mean"], (INPUTS @ net.start()["fc/weights"]).mean(0), 1e-4, 1e-6
    )
    normal = np.asarray(output)
    assert normal.min() > -0.2 and np.any(normal < 0)


def test_a_regularizer_of_scale_zero_is_none():
    net = layers("[fully_connected: {num_outputs: 4, scope: fc, weights_regularizer: {l2: 0}}]", (4,))
    assert net.specs["fc/weights"].regularizer is None


def test_what_jax_refuses_is_told_with_the_layer_its_inputs_and_its_line():
    with pytest.raises(
        ConfigError, match=r"max_pool2d 'p': expects inputs of rank 4|max_pool2d 'p': pooling"
    ) as caught:
        layers("[flatten,\n  max_pool2d: {kernel_size: 2, scope: p}]")
    assert caught.value.problems[0].mark.line == 2


def test_the_root_scope_stands_before_every_name():
    net = whole("model: {scope: Net, input: {shape: [4]}, layers: [fully_connected: {num_outputs: 2}]}")
    assert list(net.specs) == ["Net/fully_connected/weights", "Net/fully_connected/biases"]
    assert [e.name for e in net.network.declaration.end_points] == ["Net/fully_connected", "__output__"]


def test_layers_carry_their_names_into_the_compiled_code():
    net = layers("[fully_connected: {num_outputs: 2, scope: here}]", (4,))
    lowered = net.compiled(False).lower(net.random(), {"image": INPUTS}, 0)
    assert "here" in lowered.as_text(debug_info=True)
    assert jax.tree.structure(lowered.out_info)


def test_repeated_blocks_run_in_a_row():
    items = "[{repeat: 3, scope: b, layers: [fully_connected: {num_outputs: 4, scope: fc}]}]"
    net = layers(items, (4,))
    assert [n for n in net.specs if n.endswith("weights")] == [f"b_{i}/fc/weights" for i in (1, 2, 3)]
