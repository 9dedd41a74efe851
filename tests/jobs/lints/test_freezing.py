"""Layers that are not trained while their statistics move."""

import pytest

from slimtrain.jobs.lints.freezing import moving_while_frozen

SCOPE = "{ops: conv2d, kernel_size: 3, num_outputs: 4, normalizer_fn: batch_norm}"
C1, C2 = "conv2d: {scope: c1}", "conv2d: {scope: c2}"
ONLY_LOGITS = "{steps: 100, variables_to_train: [logits]}"


def warnings(net):
    return moving_while_frozen(net.document, net.network, net.task.trained)


def test_a_frozen_block_is_told_once_with_its_figures_and_the_cure(build, told):
    block = "{scope: body, trainable: false, layers: [{conv2d: {scope: c1}}, {conv2d: {scope: c2}}]}"
    assert told(warnings(build(block, scope=SCOPE))) == [
        "net.yaml:8:19: trainable: false keeps 4 of 4 variables as they are, but not the statistics of 2 batch norms, "
        "'body/c1/BatchNorm' the first, which still move; train.freeze: [body] stops weights and statistics"
    ]


def test_a_frozen_layer_whose_normalizer_trains_on(build, told):
    assert told(warnings(build("conv2d: {scope: c1, trainable: false}", scope=SCOPE))) == [
        "net.yaml:8:25: trainable: false keeps 1 of 2 variables as they are, but not the statistics of 'c1/BatchNorm', "
        "which still move; train.freeze: [c1] stops weights and statistics"
    ]


def test_a_normalizer_that_a_scope_keeps_from_training(build):
    (problem,) = warnings(build(C1, C2, scope=f"[{SCOPE}, {{ops: batch_norm, trainable: false}}]"))
    assert "2 of 4 variables" in problem.what and "2 batch norms" in problem.what
    assert (problem.mark.line, problem.mark.column) == (6, 107)


def test_variables_that_are_left_out_of_training(build, told):
    assert told(warnings(build(C1, C2, scope=SCOPE, train=ONLY_LOGITS))) == [
        "net.yaml:4:21: train.variables_to_train: keeps 4 of 6 variables as they are, but not the statistics of 2 "
        "batch norms, 'c1/BatchNorm' the first, which still move; train.freeze: [c1, c2] stops weights and statistics"
    ]


def test_the_cure_names_four_scopes_at_most_and_the_widest(build):
    layers = [f"conv2d: {{scope: s{n // 2}/c{n}}}" for n in range(9)]
    (problem,) = warnings(build(*layers, scope=SCOPE, train=ONLY_LOGITS))
    assert problem.hint == "train.freeze: [s0, s1, s2, s3, ...] stops weights and statistics"
    (problem,) = warnings(build(*layers[:2], scope=SCOPE, train="{steps: 9, variables_to_train: [c1, logits]}"))
    assert problem.hint == "train.freeze: [s0/c0] stops weights and statistics"


def test_a_batch_norm_of_its_own_goes_by_the_layer_before_it(build):
    layers = ["conv2d: {num_outputs: 4, kernel_size: 3, scope: c1}", "batch_norm: {scope: bn}"]
    assert warnings(build(*layers, train="{steps: 9, variables_to_train: [c1, logits]}")) == []
    (problem,) = warnings(build(*layers, train=ONLY_LOGITS))
    assert "keeps 3 of 5 variables" in problem.what and "'bn', which still move" in problem.what


@pytest.mark.parametrize("train", ["{steps: 9}", "{steps: 9, variables_to_train: [weights]}"])
def test_layers_that_train_are_not_told(build, train):
    assert warnings(build(C1, C2, scope=SCOPE, train=train)) == []


@pytest.mark.parametrize("still", ["is_training: false", "updates_collections: nowhere"])
def test_statistics_that_stand_still_are_not_told(build, still):
    scope = f"[{SCOPE}, {{ops: batch_norm, {still}}}]"
    assert warnings(build(C1, scope=scope, train=ONLY_LOGITS)) == []
    assert warnings(build("conv2d: {scope: c1, trainable: false}", scope=scope)) == []
