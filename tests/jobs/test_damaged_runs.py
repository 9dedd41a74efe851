"""What a run's own checkpoints are refused for, by name, by `eval` and `fit --resume`."""

import shutil

import numpy as np
import pytest

from slimtrain.errors import CheckpointError
from slimtrain.jobs.begin import prepare
from slimtrain.jobs.restore import load_state
from slimtrain.jobs.target import load
from slimtrain.store import checkpoint
from slimtrain.store.rundir import RunDir


@pytest.fixture
def copy(run, tmp_path):
    """A copy of the finished run, to be damaged."""
    return RunDir(shutil.copytree(run, tmp_path / "copy"))


def test_eval_without_a_manifest_names_the_checkpoint(copy, cli):
    path = checkpoint.find(copy, "last")
    (path / "manifest.json").unlink()
    done = cli("eval", copy.path)
    assert done.code == 5 and f"{path}: manifest.json cannot be read: No such file" in done.err


@pytest.mark.parametrize("step, told", [(99, "holds step 99, and its manifest says 24"), (None, "'step' is missing")])
def test_a_state_that_is_not_of_this_run_is_named(copy, small, step, told):
    path = checkpoint.find(copy, "last")
    arrays, manifest = checkpoint.load(path)
    del arrays["step"]
    if step:
        arrays["step"] = np.array(step, np.int32)
    checkpoint.save(copy, 24, arrays, manifest["facts"])
    with pytest.raises(CheckpointError, match=f"{path}: .*{told}"):
        load_state(prepare(load(small)).task, path)


def test_damaged_lines_of_metrics_are_told_and_the_run_goes_on(copy, cli, small):
    copy.metrics.write_bytes(copy.metrics.read_bytes() + b"\xff\xfe\n")
    done = cli("fit", small, "--run-dir", copy.path, "--resume")
    assert done.code == 0 and f"{copy.metrics}: damaged lines, which are dropped: 1" in done.err
