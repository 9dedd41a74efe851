"""Warnings on batch norm's statistics."""

from slimtrain.jobs.lints.statistics import (
    STALE,
    faster,
    moving,
    normalizing,
    pinned_training,
    slow_statistics,
    unapplied_updates,
)

CONV = "conv2d: {num_outputs: 2, kernel_size: 3, scope: %s, normalizer_fn: batch_norm, normalizer_params: {%s}}"


def unapplied(net):
    return unapplied_updates(net.document, net.network)


def slow(net, steps):
    return slow_statistics(net.document, net.network, steps)


def test_updates_in_a_collection_that_nothing_applies_are_told_once_with_the_cure(build, told):
    assert told(unapplied(build(CONV % ("c1", "updates_collections: mine")))) == [
        "net.yaml:8:5: batch_norm 'c1/BatchNorm': its updates stand in ['mine'], which train.update_ops "
        "['update_ops'] does not apply: the statistics will not move; set train.update_ops: [mine]"
    ]


def test_updates_of_many_layers_are_told_once(build):
    layers = [CONV % (name, "zero_debias_moving_mean: true") for name in ("c1", "c2", "c3")]
    (problem,) = unapplied(build(*layers, train="{steps: 1, update_ops: []}"))
    assert problem.what.endswith("the statistics will not move (so in 3 batch norms, 'c1/BatchNorm' the first)")


def test_applied_and_in_place_updates_are_not_warned_of(build):
    assert unapplied(build(CONV % ("c1", "updates_collections: mine"), train="{steps: 1, update_ops: [mine]}")) == []
    assert unapplied(build(CONV % ("c1", "updates_collections: null"), train="{steps: 1, update_ops: []}")) == []


def test_pinned_training_mode(build, told):
    assert told(pinned_training(build(CONV % ("c1", "is_training: true")).document)) == [
        "net.yaml:8:104: batch_norm in 'c1': is_training: true is pinned, so it trains in this evaluation too; "
        "remove it: the mode follows the command"
    ]


def test_frozen_statistics_are_no_pinned_training(build):
    assert pinned_training(build(CONV % ("c1", "is_training: false")).document) == []


def test_a_decay_too_slow_for_the_steps_is_told_with_its_figure_and_the_cure(build, told):
    assert told(slow(build(CONV % ("c1", "decay: 0.999")), 500)) == [
        "net.yaml:8:104: batch_norm in 'c1': decay 0.999 leaves 60.6% of the start in the statistics after 500 steps; "
        "use a decay of 0.99 or less"
    ]


def test_a_scoped_decay_is_told_once(build):
    layers = [CONV % (name, "scale: true") for name in ("c1", "c2", "c3")]
    (problem,) = slow(build(*layers, scope="{ops: batch_norm, decay: 0.997}"), 500)
    assert problem.where == "arg_scope" and problem.mark.line == 6
    assert problem.what.endswith("in the statistics after 500 steps (in 3 layers, 'c1' the first)")


def test_a_default_decay_is_told_at_the_first_layer(build):
    (problem,) = slow(build(CONV % ("c1", "scale: true"), CONV % ("c2", "")), 100)
    assert problem.mark.line == 8 and "(in 2 layers, 'c1' the first)" in problem.what


def test_a_decay_that_is_quick_enough_or_frozen_is_not_told(build):
    assert slow(build(CONV % ("c1", "decay: 0.9")), 500) == []
    assert slow(build(CONV % ("c1", "is_training: false")), 5) == []


def test_each_part_of_a_batch_moves_the_statistics(build):
    conv = CONV % ("c1", "decay: 0.99")
    (problem,) = slow(build(conv), 100)
    assert "decay 0.99 leaves 36.6% of the start in the statistics after 100 steps" in problem.what
    assert slow(build(conv, train="{steps: 100, accumulate: 4}"), 100) == []


def test_the_decay_to_use_leaves_little():
    assert all(faster(n) ** n <= STALE for n in (1, 3, 10, 100, 1000, 100_000))
    assert faster(3000) == 0.999


def test_which_statistics_move(build):
    net = build(CONV % ("c1", "updates_collections: mine"), CONV % ("c2", ""), CONV % ("c3", "is_training: false"))
    assert moving(net.document, net.network) == ["c2/BatchNorm"]
    assert normalizing(net.network) == ["c1/BatchNorm", "c2/BatchNorm"]
