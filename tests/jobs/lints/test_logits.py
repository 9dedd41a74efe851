"""What a cross entropy reads."""

import pytest

from slimtrain.jobs.lints.logits import ends, odd_logits

DENSE = "fully_connected: {num_outputs: 10, scope: logits%s}"
FLOOR = "softmax_cross_entropy: 'logits' already gives probabilities, by softmax: an example's loss cannot fall below"


def warnings(net):
    return odd_logits(net.document, net.network)


def test_the_softmax_of_a_softmax(build, told):
    assert told(warnings(build(logits=DENSE % ", activation_fn: softmax", losses="[softmax_cross_entropy]"))) == [
        f"net.yaml:9:55: {FLOOR} 1.4612; take the activation away: the loss applies its own"
    ]


def test_the_floor_counts_weights(build):
    loss = "{softmax_cross_entropy: {weight: 2.0, class_weights: [1, 1, 1, 1, 1, 1, 1, 1, 1, 0.5]}}"
    (problem,) = warnings(build(logits=DENSE % ", activation_fn: softmax", losses=f"[{loss}]"))
    assert problem.what.endswith("cannot fall below 1.4612")


def test_the_sigmoid_of_a_sigmoid(build):
    net = build(logits=DENSE % ", activation_fn: sigmoid", losses="[sigmoid_cross_entropy]")
    (problem,) = warnings(net)
    assert problem.what.endswith(
        "already gives probabilities, by sigmoid: a positive label's loss cannot fall below 0.3133"
    )


def test_a_softmax_layer_that_the_loss_reads(build):
    linear = DENSE % ", activation_fn: null"
    (problem,) = warnings(build("flatten", linear, logits="softmax: {scope: probabilities}"))
    assert problem.mark.line == 11 and "'probabilities' already gives probabilities, by softmax" in problem.what
    reading = "[{sparse_softmax_cross_entropy: {logits: logits}}]"
    assert warnings(build("flatten", linear, logits="softmax: {scope: probabilities}", losses=reading)) == []


def test_logits_that_the_default_cuts_at_0(build, told):
    assert told(warnings(build(logits=DENSE % ""))) == [
        "net.yaml:9:5: sparse_softmax_cross_entropy: relu cuts the 10 logits of 'logits' at 0, where they get no "
        "gradient; set activation_fn: null for 'logits'"
    ]


def test_logits_that_a_scope_cuts_or_normalizes(build, told):
    scope = "{ops: fully_connected, activation_fn: relu6, normalizer_fn: batch_norm}"
    assert told(warnings(build(logits=DENSE % "", scope=scope))) == [
        "net.yaml:6:37: sparse_softmax_cross_entropy: relu6 cuts the 10 logits of 'logits' at 0, where they get no "
        "gradient; set activation_fn: null for 'logits'",
        "net.yaml:6:59: sparse_softmax_cross_entropy: batch_norm normalizes the 10 logits of 'logits' to mean 0 and "
        "variance 1; set normalizer_fn: null for 'logits'",
    ]


def test_what_the_layer_itself_asks_for_is_meant(build):
    assert warnings(build(logits=DENSE % ", activation_fn: relu, normalizer_fn: batch_norm")) == []
    assert warnings(build("flatten", DENSE % ", activation_fn: null", logits="activation: {activation_fn: relu}")) == []


def test_the_softmax_of_one_output(build, told):
    net = build(logits="fully_connected: {num_outputs: 1, activation_fn: null, scope: logits}")
    assert told(warnings(net)) == [
        "net.yaml:2:10: sparse_softmax_cross_entropy: reads 1 output, whose softmax is always 1: the loss is 0 "
        "whatever is learned; use sigmoid_cross_entropy, or num_outputs: the number of classes"
    ]


@pytest.mark.parametrize("loss", ["mean_squared_error", "log_loss"])
def test_losses_that_apply_nothing_may_read_probabilities(build, loss):
    assert warnings(build(logits=DENSE % ", activation_fn: softmax", losses=f"[{loss}]")) == []


def test_where_end_points_come_from(build):
    aux = "{tap: {scope: aux, layers: [flatten, {fully_connected: {num_outputs: 10, scope: out, alias: aside}}]}}"
    body = "{scope: body, layers: [{conv2d: {num_outputs: 10, kernel_size: 8, padding: VALID, scope: c1}}, squeeze]}"
    pair = "concat: {scope: pair, branches: [[], []]}"
    found = ends(build(aux, body, logits=pair).document)
    named = {name: layer.path for name, layer in found.items()}
    assert named == {"aux": "aux/out", "aux/out": "aux/out", "aside": "aux/out"} | {
        "body": "body/c1",
        "body/c1": "body/c1",
        "body/SpatialSqueeze": "body/c1",
        "Flatten": "body/c1",
    }


def test_auxiliary_logits_are_looked_at_too(build):
    aux = "tap: {scope: aux, layers: [flatten, {fully_connected: {num_outputs: 10, scope: out}}]}"
    net = build(aux, losses="[sparse_softmax_cross_entropy, {sparse_softmax_cross_entropy: {logits: aux}}]")
    (problem,) = warnings(net)
    assert "the 10 logits of 'aux/out'" in problem.what
