"""Warnings on what a config says that will not do what its author expects."""

from pathlib import Path

from slimtrain.config.document import read
from slimtrain.jobs.build import network
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.lints import STALE, faster, pinned_training, slow_statistics, unapplied_updates, warnings_of

NET = """\
data: {source: digits}
model:
  layers:
  - conv2d:
      num_outputs: 2
      kernel_size: 3
      scope: c1
      normalizer_fn: batch_norm
      normalizer_params: %s
  - flatten
  - fully_connected: {num_outputs: 10, scope: logits}
"""


def document(tmp_path: Path, params: str, *overrides: str):
    path = tmp_path / "net.yaml"
    path.write_text(NET % params)
    return read(path, overrides, catalog())


def test_updates_in_a_collection_that_nothing_applies_are_told_once_with_the_cure(tmp_path):
    found = document(tmp_path, "{updates_collections: mine}")
    (problem,) = unapplied_updates(found, network(found))
    assert str(problem) == (
        f"{tmp_path}/net.yaml:4:5: batch_norm 'c1/BatchNorm': its updates stand in ['mine'], which train.update_ops "
        "['update_ops'] does not apply: the statistics will not move; set train.update_ops: [mine]   [warning]"
    )


def test_applied_and_in_place_updates_are_not_warned_of(tmp_path):
    applied = document(tmp_path, "{updates_collections: mine}", "train.update_ops=[mine]")
    in_place = document(tmp_path, "{updates_collections: null}", "train.update_ops=[]")
    assert unapplied_updates(applied, network(applied)) == []
    assert unapplied_updates(in_place, network(in_place)) == []


def test_pinned_training_mode_is_a_warning_where_it_evaluates_only(tmp_path):
    found = document(tmp_path, "{is_training: true}")
    net = network(found)
    assert warnings_of(found, net) == []
    (problem,) = warnings_of(found, net, evaluating=True)
    assert problem.where == "batch_norm in 'c1'"
    assert problem.mark.line == 9
    assert problem.what == "is_training: true is pinned, so it trains in this evaluation too"


def test_frozen_statistics_are_no_pinned_training(tmp_path):
    assert pinned_training(document(tmp_path, "{is_training: false}")) == []


def test_a_decay_too_slow_for_the_steps_is_told_with_its_figure_and_the_cure(tmp_path):
    (problem,) = slow_statistics(document(tmp_path, "{decay: 0.999}"), 500)
    assert str(problem) == (
        f"{tmp_path}/net.yaml:9:27: batch_norm in 'c1': decay 0.999 leaves 60.6% of the start in the statistics after "
        "500 steps; use a decay of 0.99 or less   [warning]"
    )


def test_a_default_decay_is_told_at_the_layer(tmp_path):
    (problem,) = slow_statistics(document(tmp_path, "{scale: true}"), 100)
    assert problem.mark.line == 4


def test_a_decay_that_is_quick_enough_or_frozen_is_not_told(tmp_path):
    assert slow_statistics(document(tmp_path, "{decay: 0.9}"), 500) == []
    assert slow_statistics(document(tmp_path, "{is_training: false}"), 5) == []


def test_the_decay_to_use_leaves_little(tmp_path):
    assert all(faster(n) ** n <= STALE for n in (1, 3, 10, 100, 1000, 100_000))
    assert faster(3000) == 0.999
