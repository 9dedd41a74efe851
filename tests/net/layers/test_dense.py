"""fully_connected and flatten."""

import numpy as np
import pytest
from nets import layers, numbers, scope

from slimtrain.net.layers.dense import flatten, fully_connected
from slimtrain.net.scope import LayerError


def test_it_multiplies_the_last_axis_and_adds_biases():
    net = layers("[fully_connected: {num_outputs: 3, activation_fn: null, scope: fc}]", (5,))
    variables, inputs = net.random(), numbers(2, 5)
    output, _, _ = net.run(variables, inputs)
    np.testing.assert_allclose(output, inputs @ variables["fc/weights"] + variables["fc/biases"], 1e-5, 1e-5)
    assert net.network.declaration.flops == 2 * 2 * 3 * 5


def test_inputs_of_a_higher_rank_keep_their_leading_axes_with_a_warning():
    net = layers("[fully_connected: {num_outputs: 3, scope: fc}]", (4, 2, 5))
    assert net.specs["fc/weights"].shape == (5, 3)
    assert net.network.declaration.output_shape == (2, 4, 2, 3)
    (warning,) = net.network.declaration.warnings
    assert (warning.severity, warning.where) == ("warning", "fully_connected 'fc'")
    assert "inputs of rank 4 (batch, 4, 2, 5)" in warning.what and "flatten" in warning.hint


def test_relu_is_the_default_activation_and_null_is_none():
    inputs = -np.ones((1, 2), np.float32)
    for words, want in (("", 0.0), ("activation_fn: null", -2.0)):
        net = layers(f"[fully_connected: {{num_outputs: 1, scope: fc, biases_initializer: null, {words}}}]", (2,))
        output, _, _ = net.run({"fc/weights": np.ones((2, 1), np.float32)}, inputs)
        assert output[0, 0] == want


def test_a_vector_of_examples_has_no_axis_to_multiply():
    with pytest.raises(LayerError, match="expects inputs of rank 2 or more, got rank 1"):
        fully_connected(scope(), numbers(3), num_outputs=1)


@pytest.mark.parametrize(("shape", "want"), [((2, 3, 4), 24), ((), 1), ((7,), 7)])
def test_flatten_makes_each_example_a_row(shape, want):
    inputs = numbers(2, *shape)
    np.testing.assert_array_equal(flatten(scope(), inputs), inputs.reshape(2, want))
