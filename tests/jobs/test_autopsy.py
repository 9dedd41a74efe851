"""`autopsy`: the batch that a run stopped at is kept and taken again; what it names, and what it refuses."""

import json
import shutil

import numpy as np
import pytest

from slimtrain.jobs import autopsy_text
from slimtrain.jobs.autopsy import autopsy
from slimtrain.jobs.tables import json_text
from slimtrain.jobs.target import load
from slimtrain.store import checkpoint, diverged
from slimtrain.store.rundir import RunDir

NET = """\
seed: 1
data: {source: arrays, train: train.npz, batch_size: 8}
model:
  layers:
    - flatten
    - fully_connected: {num_outputs: 4, scope: fc1}
    - fully_connected: {num_outputs: 2, activation_fn: null, scope: logits}
losses: [sparse_softmax_cross_entropy]
optimizer: {momentum: {learning_rate: 0.1}}
train: {steps: 8, log_every: 2, checkpoint_every: 2}
"""
BAD = 13


def config(folder, value):
    """The net on 32 examples, one of which holds the value."""
    draw = np.random.default_rng(0)
    image = draw.normal(size=(32, 3, 3, 1)).astype(np.float32)
    image[BAD, 1, 2] = value
    np.savez(folder / "train.npz", image=image, label=np.arange(32) % 2)
    (folder / "net.yaml").write_text(NET)
    return folder / "net.yaml"


@pytest.fixture(scope="module")
def stopped(cli, tmp_path_factory):
    """A run that stopped at an example that is not a number, and what it said."""
    folder = tmp_path_factory.mktemp("stopped")
    done = cli("fit", config(folder, np.nan), "--run-dir", folder / "run")
    assert done.code == 3
    return RunDir(folder / "run"), done.err


@pytest.fixture
def copied(stopped, tmp_path):
    """A copy of it to break."""
    shutil.copytree(stopped[0].path, tmp_path / "run")
    return RunDir(tmp_path / "run")


def test_the_batch_is_kept_beside_the_state_before_it(stopped):
    run, said = stopped
    (step,) = diverged.steps_of(run)
    assert f"step {step}: loss nan is not finite" in said
    assert f"its batch is kept: {run.diverged}/step_{step:08d}.npz; slimtrain autopsy {run.path} tells" in said
    kept = diverged.load(run)
    with np.load(run.path.parent / "train.npz") as file:
        image, label = file["image"], file["label"]
    examples = kept.facts["examples"]
    assert BAD in examples and len(examples) == 8
    np.testing.assert_array_equal(kept.batch["image"], image[examples])
    np.testing.assert_array_equal(kept.batch["label"], label[examples])
    assert (kept.step, kept.facts["why"], kept.facts["loss"], kept.facts["seed"]) == (step, "stopped", "nan", 1)
    assert checkpoint.of_step(run, step - 1) and checkpoint.verify(checkpoint.of_step(run, step - 1))


def test_it_names_the_end_point_its_line_the_example_and_the_cure(stopped):
    run, _ = stopped
    told = autopsy(load(run.path), run.path)
    found = json.loads(json_text(told.record()))
    assert found["reproduced"] is True and found["same_loss"] is True
    point = found["finding"]
    assert (point["stage"], point["kind"], point["name"]) == ("forward", "end_point", "Flatten")
    assert point["line"] == "net.yaml:5" and point["examples"] == [BAD]
    assert found["batch"]["image"]["examples"] == [BAD] and not found["batch"]["image"]["finite"]
    assert found["batch"]["label"] == {"finite": True, "min": 0.0, "max": 1.0, "examples": []}
    assert found["largest_weight"]["name"] in ("fc1/weights", "logits/weights")
    assert found["learning_rate"] == pytest.approx(0.1) and found["state_step"] == found["step"] - 1
    assert found["cure"] == f"repair the data: 'image' is not finite in example {BAD}"
    said = autopsy_text.told(told)
    assert "reproduced: taken again, its numbers are not finite, with the same loss\n" in said
    assert f"\nforward: end point 'Flatten' (net.yaml:5) is the first that is not finite, for example {BAD}\n" in said
    assert f"and not finite in example {BAD}\n" in said and "\ncure: repair the data" in said


def other_bytes(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def renamed(path):
    for suffix in (".json", ".npz"):
        path.with_suffix(suffix).rename(path.with_name(f"step_00000077{suffix}"))


BROKEN = {
    "is damaged: its SHA-256 is not the one in step_": lambda facts: other_bytes(facts.with_suffix(".npz")),
    "bytes and should have": lambda facts: facts.with_suffix(".npz").write_bytes(b"PK"),
    ".npz: cannot be read: No such file": lambda facts: facts.with_suffix(".npz").unlink(),
    "is damaged: its SHA-256 is not the one at its end": lambda f: f.write_text(f.read_text().replace("nan", "1.0")),
    "is damaged: it is not JSON": lambda facts: facts.write_text("{"),
    "is not a record of slimtrain": lambda facts: facts.write_text("[]"),
    "was written by a newer slimtrain": lambda f: f.write_text(f.read_text().replace('"format": 1', '"format": 9')),
    "has no record of a step whose numbers were not finite": lambda facts: facts.unlink(),
    "under another name": renamed,
    "has no checkpoint to take the step from": lambda f: shutil.rmtree(f.parents[1] / "checkpoints"),
    "state.safetensors is damaged": lambda f: other_bytes(next(f.parents[1].glob("checkpoints/*/state.safetensors"))),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_what_is_missing_or_changed_is_refused_by_name(copied, cli, sentence):
    for path in sorted(copied.checkpoints.iterdir())[:-1]:
        shutil.rmtree(path)
    BROKEN[sentence](diverged.path_of(copied, diverged.steps_of(copied)[0]))
    done = cli("autopsy", copied.path)
    assert done.code == 5 and done.out == "" and sentence in done.err and str(copied.path) in done.err


def test_what_is_asked_wrongly_is_told(stopped, cli):
    run, _ = stopped
    (step,) = diverged.steps_of(run)
    done = cli("autopsy", run.path, "--step", 99)
    assert done.code == 5 and f"has no record of step 99; there are {step}" in done.err
    done = cli("autopsy", run.path.parent / "net.yaml")
    assert done.code == 2 and "autopsy takes a run's directory" in done.err
    done = cli("autopsy", run.path, "losses=[{mean_squared_error: {labels: target}}]")
    assert done.code == 5 and "the batch has no field ['target']" in done.err


def test_going_on_drops_the_record_and_skipping_keeps_the_first_ones(copied, cli):
    folder = copied.path.parent
    net = config(folder, np.nan)
    (step,) = diverged.steps_of(copied)
    done = cli("fit", net, "--run-dir", copied.path, "--resume", "train.skip_non_finite=1")
    assert done.code == 0 and "numbers that are not finite: left out 1 more of the steps so far" in done.err
    assert diverged.steps_of(copied)[0] == step and len(diverged.steps_of(copied)) == 2  # one an epoch of 4 steps
    lines = [json.loads(line) for line in copied.metrics.read_text().splitlines()]
    assert lines[-1]["skipped_steps"] == 2 and all(diverged.load(copied, n) for n in diverged.steps_of(copied))
    found = json.loads(cli("autopsy", copied.path, "--step", step, "--json").out)
    assert found["why"] == "skipped" and found["reproduced"] and found["batch"]["image"]["examples"] == [BAD]
    (copied.diverged / f".step_{step:08d}.npz.tmp-1").write_bytes(b"")  # of a process that died
    (copied.diverged / "notes.txt").write_text("the user's")
    config(folder, 1.0)
    first = min(checkpoint.steps_of(copied))
    assert first < max(diverged.steps_of(copied))
    assert cli("fit", net, "--run-dir", copied.path, "--resume", first).code == 0
    assert [n for n in diverged.steps_of(copied) if n > first] == []
    assert {p.name for p in copied.diverged.iterdir() if not p.name.startswith("step_")} == {"notes.txt"}


def test_a_record_that_cannot_be_written_does_not_hide_the_stop(cli, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "diverged").write_text("in the way")
    done = cli("fit", config(tmp_path, np.inf), "--run-dir", tmp_path / "run")
    assert done.code == 3 and "is not finite; the state before it is kept" in done.err
    assert "its batch could not be kept: " in done.err and (tmp_path / "run" / "last").exists()


def test_nothing_is_skipped_where_nothing_is_checked(cli, tmp_path):
    done = cli("fit", config(tmp_path, 1.0), "train.check_numerics=false", "train.skip_non_finite=3")
    assert done.code == 2 and "train.skip_non_finite: nothing is skipped where numbers are not checked" in done.err
