"""The books of a run: which checkpoint is best, what a resume drops."""

import json
from math import inf, nan

import numpy as np
import pytest

from slimtrain.jobs.keeper import Keeper, judged_by
from slimtrain.jobs.target import load
from slimtrain.store import checkpoint
from slimtrain.store.rundir import create


@pytest.fixture
def books(tmp_path):
    """A run with checkpoints and evaluations at 2, 4, 6."""
    run = create(tmp_path / "run", resume=False)
    accuracies = {2: 0.5, 4: 0.75, 6: 0.75}
    with open(run.metrics, "w") as file:
        for step, accuracy in accuracies.items():
            checkpoint.save(run, step, {"step": np.int32(step)}, {})
            file.write(json.dumps({"step": step, "train/loss": 1.0}) + "\n")
            file.write(json.dumps({"step": step, "eval/accuracy": accuracy, "eval/loss": 2.0 - step}) + "\n")
    return run


def test_the_earlier_of_two_equal_ones_is_best(books, small):
    with Keeper.open(books, load(small), 6) as keeper:
        assert keeper.best_step() == 4 and books.best.read_text() == "step_00000004\n"
        assert keeper.evaluated(6) and not keeper.evaluated(5)
        assert keeper.last_metrics() == {"accuracy": 0.75, "loss": -4.0}


def test_going_on_from_earlier_forgets_what_came_after(books, small):
    checkpoint.point(books, "last", books.checkpoints / "step_00000006")
    with Keeper.open(books, load(small), 3) as keeper:
        assert keeper.best_step() == 2 and books.best.read_text() == "step_00000002\n"
        assert [line["step"] for line in keeper.lines] == [2, 2]
    assert [p.name for p in books.checkpoints.iterdir()] == ["step_00000002"] and not books.last.exists()


@pytest.mark.parametrize("bad", [nan, -inf])
def test_what_is_no_number_is_never_best(books, small, bad):
    with Keeper.open(books, load(small), 6) as keeper:
        keeper.lines.insert(0, {"step": 1, "eval/accuracy": bad, "eval/loss": nan})
        assert keeper.best_step() == 4
        keeper.write({"step": 7, "eval/accuracy": 0.9, "eval/loss": 0.0})
        assert keeper.is_best(7) and keeper.best_step() == 7
    assert json.loads(books.metrics.read_text().splitlines()[-1])["step"] == 7


def test_the_first_metric_judges_or_the_loss(small):
    assert judged_by(load(small)) == ("accuracy", True)
    assert judged_by(load(small, ["metrics=[{top_k: 2}, accuracy]"])) == ("top_2", True)
    assert judged_by(load(small, ["~metrics"])) == ("loss", False)
    assert judged_by(load(small, ["metrics=[mean_absolute_error, accuracy]"])) == ("mean_absolute_error", False)
    listed = "{recall: {average: none}}"
    assert judged_by(load(small, [f"metrics=[confusion_matrix, {listed}, mean, f1, accuracy]"])) == ("f1", True)
    assert judged_by(load(small, [f"metrics=[{listed}]"])) == ("loss", False)
