"""Two runs are the same to the bit, or it is told where they are not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from slimtrain.jobs.sameness import differences
from slimtrain.store import checkpoint
from slimtrain.store.rundir import RunDir


@pytest.fixture
def two(run, tmp_path):
    """A finished run and its copy, to be changed."""
    return RunDir(run), RunDir(Path(shutil.copytree(run, tmp_path / "copy")))


def test_a_copy_is_the_same_whatever_its_clock_said(two):
    one, other = two
    lines = [json.loads(line) for line in other.metrics.read_text().splitlines()]
    other.metrics.write_text("".join(json.dumps(line | {"examples_per_second": 1.0}) + "\n" for line in lines))
    assert differences(one, other) == []


def test_one_bit_one_line_and_one_pointer_are_seen(two):
    one, other = two
    arrays, manifest = checkpoint.load(other.checkpoints / "step_00000024")
    arrays["parameters/logits/biases"] = np.nextafter(arrays["parameters/logits/biases"], np.float32(9))
    checkpoint.save(other, 24, arrays, manifest["facts"])
    shutil.rmtree(other.checkpoints / "step_00000018")
    lines = [json.loads(line) for line in other.metrics.read_text().splitlines()]
    lines[0]["train/loss"] = 0.5
    other.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    other.best.unlink()
    told = differences(one, other)
    assert len(told) == 4 and told[0].endswith("and nothing")
    assert "metrics.jsonl, line 1: train/loss" in told[1] and told[1].endswith(" and 0.5")
    assert told[2] == "there are checkpoints of the steps [18, 24] and [24]"
    assert "step 24: 1 of" in told[3] and told[3].endswith("the first 'parameters/logits/biases'")


def test_a_line_less_is_seen(two):
    one, other = two
    other.metrics.write_text("".join(other.metrics.read_text().splitlines(keepends=True)[:-1]))
    assert any("lines" in told for told in differences(one, other))
