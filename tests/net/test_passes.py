"""The pure functions that come from a network: declare, init, apply, regularization."""

import jax
import numpy as np
import pytest
from nets import layers, numbers, same_bits

from slimtrain.net.passes import apply, init, regularization, regularization_terms, split

TWO = """[fully_connected: {num_outputs: 4, scope: a, normalizer_fn: batch_norm},
          fully_connected: {num_outputs: 2, scope: b}]"""


def test_declare_tells_of_the_network_without_running_it():
    declared = layers(TWO, (3,)).network.declaration
    assert list(declared.specs) == [
        "a/weights",
        "a/BatchNorm/beta",
        "a/BatchNorm/moving_mean",
        "a/BatchNorm/moving_variance",
        "b/weights",
        "b/biases",
    ]
    assert [e.name for e in declared.end_points] == ["a/BatchNorm", "a", "b", "__output__"]
    assert {e.name: e.parameters for e in declared.end_points} == {"a/BatchNorm": 12, "a": 24, "b": 10, "__output__": 0}
    assert declared.flops == 2 * 2 * (3 * 4 + 4 * 2)
    assert declared.inputs == {"a": ((2, 3), "float32"), "b": ((2, 4), "float32")}
    assert declared.output_shape == (2, 2)
    assert len(declared.updates) == 2


def test_init_depends_on_seed_and_name_and_not_on_the_neighbours():
    alone = "[fully_connected: {num_outputs: 4, scope: a, normalizer_fn: batch_norm}]"
    more, fewer = layers(TWO, (3,)), layers(alone, (3,))
    start = more.start(3)
    assert same_bits({n: start[n] for n in fewer.specs}, fewer.start(3))
    assert not same_bits(start["a/weights"], more.start(4)["a/weights"])
    same = layers(
        "[fully_connected: {num_outputs: 3, scope: a}, fully_connected: {num_outputs: 3, scope: b}]", (3,)
    ).start()
    assert not same_bits(same["a/weights"], same["b/weights"])


def test_init_parts_parameters_from_statistics():
    parameters, statistics = init(layers(TWO, (3,)).specs, jax.random.key(0))
    assert set(statistics) == {"a/BatchNorm/moving_mean", "a/BatchNorm/moving_variance"}
    assert set(parameters) == {"a/weights", "a/BatchNorm/beta", "b/weights", "b/biases"}


def test_apply_returns_the_end_points_that_are_wanted_and_no_others():
    net, inputs = layers(TWO, (3,)), {"image": numbers(2, 3)}
    parts = split(net.specs, net.random())
    for want, names in (((), set()), (("a",), {"a"}), (None, {"a/BatchNorm", "a", "b", "__output__"})):
        _, _, found = apply(net.network.forward, *parts, inputs, training=False, want=want)
        assert set(found) == names


def test_apply_returns_all_statistics_and_changes_none_of_what_it_got():
    net, inputs = layers(TWO, (3,)), {"image": numbers(4, 3)}
    parameters, statistics = split(net.specs, net.random())
    given = dict(statistics)
    _, after, _ = apply(net.network.forward, parameters, statistics, inputs, training=True)
    assert after.keys() == statistics.keys() and statistics == given
    assert not same_bits(after, statistics)
    _, after, _ = apply(net.network.forward, parameters, statistics, inputs, training=True, update_ops=())
    assert same_bits(after, statistics)
    _, after, _ = apply(net.network.forward, parameters, statistics, inputs, training=False)
    assert same_bits(after, statistics)


@pytest.mark.parametrize(
    ("regularizer", "value"),
    [
        ("{l2: 0.5}", 0.25 * 4 * 4),
        ("{l1: 0.5}", 0.5 * 4 * 2),
        ("{l1_l2: {scale_l1: 0.5, scale_l2: 0.5}}", 8.0),
        ("{sum: [{l1: 0.5}, {l2: 0}, {sum: [{l2: 0.5}]}]}", 8.0),
    ],
)
def test_the_regularization_of_a_shared_variable_counts_once(regularizer, value):
    words = f"num_outputs: 2, scope: a, weights_regularizer: {regularizer}"
    items = f"[fully_connected: {{{words}}}, fully_connected: {{{words}, reuse: true}}]"
    specs, values = layers(items, (2,)).specs, {"a/weights": np.full((2, 2), 2, np.float32)}
    assert list(regularization_terms(specs, values)) == ["a/weights"]
    assert regularization(specs, values) == value


def test_a_scale_of_zero_adds_no_term():
    sums = "{sum: []}", "{sum: [{l1: 0}, {l1_l2: {scale_l1: 0, scale_l2: 0}}]}", "{sum: [{sum: [{l2: 0}]}]}"
    for zero in ("{l2: 0}", "{l1: 0.0}", "{l1_l2: {scale_l1: 0, scale_l2: 0}}", "null", *sums):
        specs = layers(f"[fully_connected: {{num_outputs: 3, weights_regularizer: {zero}}}]", (2,)).specs
        assert regularization_terms(specs, {}) == {}
        assert regularization(specs, {}) == 0.0


def test_a_frozen_variable_is_still_regularized():
    words = "num_outputs: 3, scope: a, trainable: false, biases_regularizer: {l2: 1}"
    specs = layers(f"[fully_connected: {{{words}}}]", (2,)).specs
    assert list(regularization_terms(specs, {"a/biases": np.ones(3)})) == ["a/biases"]
