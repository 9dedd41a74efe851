"""Metrics: lines that any JSON reader takes, torn ends, no step twice after a resume."""

import json
import math
import os

import numpy as np
import pytest

from slimtrain.errors import WriteError
from slimtrain.store import metrics
from slimtrain.store.rundir import RunDir


def test_records_come_back_and_every_line_is_standard_json(tmp_path):
    run = RunDir(tmp_path)
    assert metrics.read(run) == []
    with metrics.open_metrics(run) as write:
        write({"step": 1, "train/loss": 0.1, "lr": np.float32(0.5)})
        assert metrics.read(run) == [{"step": 1, "train/loss": 0.1, "lr": 0.5}]
        write({"step": 2, "train/loss": math.inf, "eval/x": np.float32("nan"), "note": "a\nb"})

    def no_constant(name):
        raise AssertionError(name)

    lines = [json.loads(x, parse_constant=no_constant) for x in run.metrics.read_text().splitlines()]
    assert lines[1] == {"step": 2, "train/loss": "inf", "eval/x": "nan", "note": "a\nb"}
    second = metrics.read(run)[1]
    assert second["train/loss"] == math.inf and math.isnan(second["eval/x"])


def test_lists_come_back_with_what_is_not_finite(tmp_path):
    run = RunDir(tmp_path)
    metrics.append(run, {"step": 1, "eval/recall": [0.5, math.inf], "eval/matrix": [[1.0, -math.inf]], "names": ["a"]})
    assert metrics.read(run) == [
        {"step": 1, "eval/recall": [0.5, math.inf], "eval/matrix": [[1.0, -math.inf]], "names": ["a"]}
    ]


def test_a_torn_last_line_is_ignored_and_never_glued_to_the_next(tmp_path):
    run = RunDir(tmp_path)
    metrics.append(run, {"step": 1})
    with open(run.metrics, "a") as file:
        file.write('{"step": 2, "los')
    assert metrics.read(run) == [{"step": 1}]
    metrics.append(run, {"step": 2})
    assert metrics.read(run) == [{"step": 1}, {"step": 2}]


def test_truncate_after_leaves_no_step_twice(tmp_path):
    run = RunDir(tmp_path)
    metrics.truncate_after(run, 5)
    assert not run.metrics.exists()
    with metrics.open_metrics(run) as write:
        for step in range(1, 6):
            write({"step": step})
        write({"note": "no step"})
    with open(run.metrics, "ab") as file:
        file.write(b'\0\0\0\n{"step":')
    metrics.truncate_after(run, 3)
    assert run.metrics.read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3}\n{"note": "no step"}\n'


def test_a_folder_that_is_gone_is_a_write_error(tmp_path):
    with pytest.raises(WriteError, match="metrics.jsonl: cannot be written: No such file or directory"):
        metrics.append(RunDir(tmp_path / "gone"), {"step": 1})


@pytest.mark.parametrize(
    "line",
    [
        "\0\0\0",
        "[]",
        '{"eval/loss": 1.0}',
        '{"step": "4", "train/loss": 1.0}',
        '{"step": 4, "eval/loss": "low"}',
        '{"step": 4.5, "eval/loss": 1.0}',
        '{"step": 4, "eval/loss": null}',
    ],
)
def test_lines_that_are_no_records_are_counted_and_dropped(tmp_path, line):
    run = RunDir(tmp_path)
    run.metrics.write_text(f'{{"step": 1, "train/loss": 2.0}}\n{line}\n{{"step": 2, "eval/loss": "nan"}}\n{{"st')
    assert metrics.garbled(run) == 1
    metrics.truncate_after(run, 9)
    assert [record["step"] for record in metrics.read(run)] == [1, 2] and metrics.garbled(run) == 0


def test_metrics_that_cannot_be_read_are_told(tmp_path):
    RunDir(tmp_path).metrics.mkdir()
    with pytest.raises(WriteError, match="metrics.jsonl: cannot be read: Is a directory"):
        metrics.read(RunDir(tmp_path))


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    run = RunDir(tmp_path)
    os.mkfifo(run.metrics)
    for use in (metrics.read, lambda run: metrics.truncate_after(run, 1), lambda run: metrics.append(run, {"step": 1})):
        with pytest.raises(WriteError, match="metrics.jsonl: cannot be read: it is a pipe or a device"):
            use(run)
