"""Whole numbers where a fraction is meant."""

import pytest

from slimtrain.jobs.lints.wholes import whole_numbers

CONV = "conv2d: {num_outputs: 4, kernel_size: 3, scope: %s}"
NORM = "batch_norm: {scope: bn, %s}"


def warnings(net):
    return whole_numbers(net.document, net.network)


def test_a_scale_that_tf_slim_refuses(build, told):
    assert told(warnings(build(CONV % "c1, weights_regularizer: {l2: 1}"))) == [
        "net.yaml:8:83: conv2d 'c1': l2: scale 1 is a whole number, which TF-Slim refuses: the gradients of 36 values "
        "grow by 1 times the values; write 1.0 if you mean it; 1.0e-4 is usual"
    ]


def test_a_scoped_scale_is_told_once(build):
    scope = "{ops: conv2d, weights_regularizer: {l1_l2: {scale_l1: 2, scale_l2: 0.1}}}"
    (problem,) = warnings(build(CONV % "c1", CONV % "c2", scope=scope))
    assert problem.where == "arg_scope" and problem.what == (
        "l1_l2: scale_l1 2 is a whole number, which TF-Slim refuses: the gradients of 180 values grow by 2 times their "
        "signs (in 2 layers, 'c1' the first)"
    )


@pytest.mark.parametrize("value", ["{l2: 1.0}", "{l2: 0}", "{l1: 1e-3}", "l1_l2", "null"])
def test_other_scales_are_not_told(build, value):
    assert warnings(build(CONV % f"c1, weights_regularizer: {value}")) == []


@pytest.mark.parametrize("value", ["1", "1.0"])
def test_a_decay_by_which_nothing_moves(build, told, value):
    assert told(warnings(build(NORM % f"decay: {value}"))) == [
        "net.yaml:8:29: batch_norm 'bn': decay 1 keeps the statistics at their start: each step moves them by 0% of "
        "the way; write a decay below 1, or is_training: false to freeze them"
    ]


def test_renorms_own_decay(build):
    (problem,) = warnings(build(NORM % "renorm: true, renorm_decay: 1"))
    assert problem.what.startswith("renorm_decay 1 keeps renorm's statistics at their start")
    assert warnings(build(NORM % "renorm_decay: 1")) == []


def test_frozen_statistics_may_have_any_decay(build):
    assert warnings(build(NORM % "decay: 1, is_training: false")) == []


@pytest.mark.parametrize(
    "optimizer, told",
    [
        ("{momentum: {learning_rate: 0.1, momentum: 1}}", "momentum 1: no gradient is ever forgotten"),
        ("{rmsprop: {learning_rate: 0.1, momentum: 1}}", "momentum 1: no gradient is ever forgotten"),
        ("{rmsprop: {learning_rate: 0.1, decay: 1.0}}", "decay 1: the mean square of the gradients stays at its start"),
        ("{adam: {learning_rate: 0.1, beta2: 1}}", "beta2 1: the correction of its start is 1 - 1"),
    ],
)
def test_an_optimizer_that_forgets_nothing(build, optimizer, told):
    (problem,) = warnings(build(optimizer=optimizer))
    assert problem.where == "optimizer " + optimizer[1:].split(":")[0] and problem.mark.line == 3
    assert problem.what.startswith(told)


@pytest.mark.parametrize("loss, value", [("softmax_cross_entropy", "0.1"), ("sigmoid_cross_entropy", "0.5")])
def test_labels_smoothed_until_nothing_is_left(build, told, loss, value):
    assert told(warnings(build(losses=f"[{{{loss}: {{label_smoothing: 1}}}}]"))) == [
        f"net.yaml:2:35: {loss}: label_smoothing 1 makes every label {value}: nothing is left of the data's; "
        "write 0.1, say"
    ]


def test_ordinary_numbers_are_not_told(build):
    net = build(
        NORM % "decay: 0.9, epsilon: 1",
        "dropout: {keep_prob: 1}",
        losses="[{softmax_cross_entropy: {weight: 1, label_smoothing: 0}}]",
        optimizer="{rmsprop: {learning_rate: 1, epsilon: 1}}",
    )
    assert warnings(net) == []
