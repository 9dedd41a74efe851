"""Text tables."""

import pytest

from slimtrain.jobs.tables import count, evaluated, fitted, metrics, table


def test_columns():
    assert table([["name", "n"], ["a", "10"], ["long name", "7"]], right=[1]) == (
        "name        n\n---------  --\na          10\nlong name   7"
    )


@pytest.mark.parametrize(
    "number, text", [(0, "0"), (999, "999"), (1000, "1.00k"), (2_500_000, "2.50M"), (3e9, "3.00G")]
)
def test_counts(number, text):
    assert count(number) == text


def test_a_result_without_a_rate():
    record = {"run": "runs/x", "steps": 1, "epochs": 0.5, "metrics": {"loss": 1.0}, "seconds": 2.0}
    assert fitted(record | {"examples_per_second": 0.0}) == "loss 1.0000   (1 steps, 0.5 epochs, 2.0 s)\nruns/x"
    assert ", 1,234 examples/s)" in fitted(record | {"examples_per_second": 1234.4})


def test_lists_stand_in_brackets_and_matrices_below():
    values = {"recall": [0.5, float("nan")], "confusion_matrix": [[10.0, 2.0], [0.0, 7.5]], "loss": 1.0}
    assert metrics(values).splitlines() == [
        "recall [0.5000 nan]  loss 1.0000",
        "confusion_matrix",
        "    0    1",
        "-  --  ---",
        "0  10    2",
        "1   0  7.5",
    ]
    record = {"metrics": values, "split": "test", "examples": 20, "checkpoint": "step_00000024"}
    assert evaluated(record).splitlines()[0].endswith("loss 1.0000   (test, n = 20, step_00000024)")
