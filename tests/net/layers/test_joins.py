"""Joins: their values, and the branches that they refuse."""

import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.errors import ConfigError
from slimtrain.jobs.builtin import catalog
from slimtrain.net.layers.joins import add, concat, multiply, residual
from slimtrain.net.scope import LayerError

ONE, TWO = numbers(2, 3, 4, seed=1), numbers(2, 3, 4, seed=2)
VALUES = {
    "add": (add, ONE + TWO),
    "multiply": (multiply, ONE * TWO),
    "residual": (residual, ONE + TWO),
    "concat": (concat, np.concatenate([ONE, TWO], -1)),
}
IN_A_NET = {
    "add": "branches: [[activation], [activation]]",
    "multiply": "branches: [[activation], [activation]]",
    "concat": "branches: [[activation], [activation]]",
    "residual": "layers: [activation]",
}


def test_every_join_has_a_row():
    assert set(catalog().kind("join")) == set(VALUES) == set(IN_A_NET)


@pytest.mark.parametrize("name", sorted(VALUES))
def test_values(name):
    function, want = VALUES[name]
    np.testing.assert_allclose(function([ONE, TWO]), want, 1e-6)


@pytest.mark.parametrize("name", sorted(IN_A_NET))
def test_declared_and_applied_shapes_are_equal_with_and_without_remat(name):
    inputs, found = numbers(2, 4, 4, 2), []
    for words in ("", "remat: true, "):
        net = layers(f"[{name}: {{scope: here, {words}{IN_A_NET[name]}}}]")
        output, _, points = net.run({}, inputs, training=True)
        assert output.shape == net.network.declaration.output_shape
        assert "here" in points
        found.append(np.asarray(output))
    np.testing.assert_array_equal(*found)


def test_concat_along_a_named_axis():
    np.testing.assert_array_equal(concat([ONE, TWO[:, :1]], axis=1), np.concatenate([ONE, TWO[:, :1]], 1))


def test_a_gate_broadcasts_in_multiply_only():
    gate = ONE[:, :1, :]
    np.testing.assert_allclose(multiply([ONE, gate]), ONE * gate)
    for function in (add, residual):
        with pytest.raises(LayerError, match="branches of shapes"):
            function([ONE, gate])


def test_an_activation_of_the_result():
    for function in (add, multiply, residual):
        np.testing.assert_allclose(function([ONE, TWO], activation_fn=np.abs), np.abs(function([ONE, TWO])))


@pytest.mark.parametrize("axis", [0, 3, -3, -4])
def test_concat_refuses_the_batch_and_axes_that_are_not_there(axis):
    with pytest.raises(LayerError, match=f"axis {axis} is no axis of an example"):
        concat([ONE, TWO], axis=axis)


def test_branches_that_do_not_fit_are_told_with_their_shapes():
    with pytest.raises(ConfigError, match=r"add 'a': branches of shapes \[2, 4, 4, 2\] and \[2, 2, 2, 2\]"):
        layers("[add: {scope: a, branches: [[activation], [max_pool2d: {kernel_size: 2}]]}]")
    with pytest.raises(ConfigError, match="branches of shapes"):
        layers("[concat: {scope: a, branches: [[activation], [flatten]]}]")
    with pytest.raises(ConfigError, match="branches of shapes"):
        layers("[multiply: {branches: [[activation], [conv2d: {num_outputs: 5, kernel_size: 1}]]}]")
