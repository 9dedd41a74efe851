"""A resume that goes on with another config says so; what does not change a step is not told."""

import shutil
from pathlib import Path

import pytest

from slimtrain.jobs.changes import changes
from slimtrain.jobs.target import load


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["train.steps=99", "train.keep=7", "train.log_every=1", "train.eval_every=3", "train.checkpoint_every=9"],
        ["data.workers=1", "data.eval_batch_size=5", "metrics=[]", "train.early_stop=4"],
    ],
)
def test_what_does_not_change_a_step_is_not_told(small, run, words):
    assert changes(load(small, words), run / "resolved.yaml") == []


def test_what_was_changed_is_told_with_both_values(small, run):
    words = ["optimizer.momentum.learning_rate.exponential_decay.initial=0.5", "model.layers.2.dropout.keep_prob=0.9"]
    (problem,) = changes(load(small, words), run / "resolved.yaml")
    assert "model.layers.2.dropout.keep_prob 0.7 before, 0.9 now" in str(problem)
    assert "exponential_decay.initial 0.05 before, 0.5 now" in str(problem) and problem.severity == "warning"


def test_another_optimizer_is_told_in_a_few_words(small, run):
    (problem,) = changes(load(small, ["optimizer={adam: {learning_rate: 0.1}}"]), run / "resolved.yaml")
    assert "optimizer.adam.learning_rate not given before, 0.1 now" in str(problem) or " more; if that" in str(problem)


def test_without_a_readable_config_there_is_nothing_to_compare(small, tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [")
    assert changes(load(small), tmp_path / "bad.yaml") == changes(load(small), tmp_path / "none.yaml") == []


def test_resume_warns(small, cli, run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    done = cli("fit", small, "train.steps=30", "data.batch_size=12", "--run-dir", copy, "--resume")
    assert done.code == 0 and "data.batch_size 16 before, 12 now" in done.err
    again = cli("fit", small, "train.steps=36", "data.batch_size=12", "--run-dir", copy, "--resume")
    assert again.code == 0 and "before" not in again.err
