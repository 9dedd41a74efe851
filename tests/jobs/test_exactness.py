"""What a run has to find again to end bit-identical: told where it is not there, refused with --deterministic."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from slimtrain.errors import SlimtrainError
from slimtrain.jobs.exactness import CIRCUMSTANCES, circumstances, need_repeatable
from slimtrain.lazy import jax
from slimtrain.store import checkpoint
from slimtrain.store.rundir import RunDir
from slimtrain.train.step import State


@pytest.fixture
def moved(run, tmp_path):
    """A copy of the finished run that was saved on another processor."""
    path = Path(shutil.copytree(run, tmp_path / "moved"))
    arrays, manifest = checkpoint.load(path / "checkpoints" / "step_00000024")
    facts = manifest["facts"]
    facts[CIRCUMSTANCES] |= {"processor": "Another One", "threads": 96}
    checkpoint.save(RunDir(path), 24, {**arrays, "statistics/conv1/BatchNorm/moving_mean": np.ones(4, "f4")}, facts)
    return path


def test_a_checkpoint_tells_its_circumstances(run):
    manifest = json.loads((run / "checkpoints" / "step_00000024" / "manifest.json").read_text())
    assert manifest["facts"] == {"seed": 3, CIRCUMSTANCES: circumstances()}
    assert {"jaxlib", "processor", "threads", "native", "device", "xla_flags"} <= circumstances().keys()


def test_a_resume_elsewhere_warns_and_goes_on(small, cli, moved):
    done = cli("fit", small, "train.steps=30", "--run-dir", moved, "--resume")
    there = f"{moved}/checkpoints/step_00000024: was saved under other circumstances: processor 'Another One' there, "
    assert done.code == 0 and there in done.err and "; threads 96 there, " in done.err
    assert "may not end bit-identical" in done.err and "[warning]" in done.err


def test_a_resume_elsewhere_is_refused_with_deterministic(small, cli, moved):
    before = sorted(moved.rglob("*"))
    done = cli("fit", small, "train.steps=30", "--run-dir", moved, "--resume", "--deterministic")
    assert done.code == 5 and "processor 'Another One' there" in done.err and "without --deterministic" in done.err
    assert [p for p in sorted(moved.rglob("*")) if p.name != ".lock"] == [p for p in before if p.name != ".lock"]


def test_a_resume_here_says_nothing_and_deterministic_trains_to_the_same_bits(small, cli, run, tmp_path):
    words = ["fit", small, "--run-dir", tmp_path / "run", "--deterministic"]
    assert cli(*words, "train.steps=12").code == 0
    done = cli(*words, "--resume")
    assert done.code == 0 and "circumstances" not in done.err
    last = Path("checkpoints/step_00000024/state.safetensors")
    assert (tmp_path / "run" / last).read_bytes() == (run / last).read_bytes()


def test_a_step_that_gives_other_bits_another_time_is_refused():
    calls = []
    state = State({"w": jax.numpy.ones(3)}, {}, (), np.int32(0), np.uint32(0), np.bool_(True), {})

    def step(state, batch):
        calls.append(batch)
        return state._replace(parameters={"w": state.parameters["w"] + batch * (len(calls) == 3)}), {}

    with pytest.raises(SlimtrainError, match="other bits another time, in 1 arrays, the first 'parameters/w'"):
        need_repeatable(step, state, 1e-6)
    need_repeatable(lambda state, batch: (state, {}), state, 0)
