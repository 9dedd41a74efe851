"""Regularizers that train nothing."""

import pytest

from slimtrain.jobs.lints.regularizers import idle_regularizers, regularized, unsummed

CONV = "conv2d: {num_outputs: 4, kernel_size: 3, scope: %s}"
NORM = "batch_norm: {scope: bn, %s}"
L2 = "weights_regularizer: {l2: 0.1}"


def warnings(net):
    return idle_regularizers(net.document, net.network, net.task.trained)


def test_biases_that_are_not_made(build, told):
    net = build(CONV % "c1, biases_initializer: null, biases_regularizer: {l2: 0.1}")
    assert told(warnings(net)) == [
        "net.yaml:8:83: conv2d 'c1': 'biases_regularizer' is never summed: there are no biases; remove it, or give a "
        "biases_initializer"
    ]


def test_what_a_normalizer_stands_in_for_is_told_as_ignored_only(build):
    assert warnings(build(CONV % "c1, normalizer_fn: batch_norm, biases_regularizer: {l2: 0.1}")) == []


@pytest.mark.parametrize(
    "variable, switch, off", [("gamma", "scale", "scale: false"), ("beta", "center", "center: false")]
)
def test_a_parameter_of_batch_norm_that_is_not_made(build, told, variable, switch, off):
    net = build(NORM % f"{off}, param_regularizers: {{{variable}: {{l2: 0.1}}}}")
    (problem,) = warnings(net)
    assert problem.what == (
        f"'param_regularizers of {variable}' is never summed: {switch} is false, so there is no {variable}"
    )
    assert problem.hint == f"remove it, or set {switch}: true"


def test_a_scope_is_told_where_no_layer_heeds_it(build):
    regularizers = "{ops: batch_norm, param_regularizers: {gamma: {l2: 0.1}}}"
    layers = ["batch_norm: {}", "batch_norm: {}"]
    (problem,) = warnings(build(*layers, scope=regularizers))
    assert problem.where == "arg_scope" and problem.what.endswith("(in 2 layers, 'BatchNorm' the first)")
    assert warnings(build(*layers, "batch_norm: {scale: true}", scope=regularizers)) == []


def test_a_layer_that_shares_variables_of_an_earlier_use(build, told):
    layer = "conv2d: {num_outputs: 1, kernel_size: 3, scope: shared%s}"
    net = build(layer % "", layer % f", reuse: true, {L2}")
    assert told(warnings(net)) == [
        "net.yaml:9:74: conv2d 'shared': 'weights_regularizer' is never summed: 'shared/weights' was made at "
        "net.yaml:8:5 without one, and its first use holds; write it at the first use"
    ]
    (problem,) = warnings(build(layer % ", weights_regularizer: {l1: 0.1}", layer % f", reuse: true, {L2}"))
    assert "was made at net.yaml:8:5 with 'l1', and its first use holds" in problem.what


def test_the_same_regularizer_at_both_uses_is_not_told(build):
    layer = "conv2d: {num_outputs: 1, kernel_size: 3, scope: shared%s}"
    assert warnings(build(layer % "", layer % ", reuse: true", scope=f"{{ops: conv2d, {L2}}}")) == []
    assert warnings(build(layer % f", {L2}", layer % f", reuse: true, {L2}")) == []


def test_variables_that_are_not_trained(build, told):
    net = build(
        CONV % "c1", CONV % "c2", scope=f"{{ops: conv2d, {L2}}}", train="{steps: 9, variables_to_train: [logits]}"
    )
    assert told(warnings(net)) == [
        "net.yaml:6:28: arg_scope: 'weights_regularizer' only adds a constant to the loss: nothing of its 2 variables "
        "(180 values) is trained (in 2 layers, 'c1' the first); set it to null there, or read the loss less that "
        "constant"
    ]


def test_a_scope_whose_variables_are_trained_in_part_is_not_told(build):
    scope = f"{{ops: [conv2d, fully_connected], {L2}}}"
    assert warnings(build(CONV % "c1", scope=scope, train="{steps: 9, variables_to_train: [logits]}")) == []


@pytest.mark.parametrize("regularizer", ["{l2: 0.0}", "null"])
def test_what_adds_no_term_is_not_told(build, regularizer):
    assert warnings(build(CONV % f"c1, trainable: false, weights_regularizer: {regularizer}")) == []


def test_ordinary_regularizers_are_found_and_not_told(build):
    separable = f"separable_conv2d: {{num_outputs: 2, kernel_size: 3, scope: s, {L2}, biases_regularizer: {{l1: 0.1}}}}"
    both = NORM % "scale: true, param_regularizers: {beta: {l2: 0.1}, gamma: {l2: 0.1}}"
    net = build(separable, both, "bias_add: {scope: add, regularizer: {l1: 0.1}}")
    assert warnings(net) == []
    assert [r.names for r in regularized(net.document, net.network)] == [
        ("s/depthwise_weights", "s/pointwise_weights"),
        ("s/biases",),
        ("bn/beta",),
        ("bn/gamma",),
        ("add/biases",),
    ]


def test_no_losses_to_be_summed_with(build, told):
    net = build(CONV % f"c1, {L2}", losses="[]")
    assert told(unsummed(net.document, net.network)) == [
        "net.yaml:3:12: losses: there are none, so nothing sums the regularizers of 1 variable; "
        "add 'losses: [sparse_softmax_cross_entropy]'"
    ]


def test_a_config_that_is_not_to_be_trained_needs_no_losses(build):
    net = build(CONV % f"c1, {L2}", losses="[]", optimizer="null")
    assert unsummed(net.document, net.network) == []


def test_a_frozen_weight_is_meant_to_be_constant(build):
    conv = "conv2d: {num_outputs: 2, kernel_size: 3, scope: c1, weights_regularizer: {l2: 0.1}}"
    net = build(conv, train="{steps: 100, freeze: [c1]}")
    assert idle_regularizers(net.document, net.network, net.task.trained) == []
    left = build(conv, train="{steps: 100, variables_to_train: [logits]}")
    assert len(idle_regularizers(left.document, left.network, left.task.trained)) == 1
