"""`fit`: a run that is stopped anywhere and goes on ends as if nothing had been; other ends have codes and words."""

import fcntl
import json
import os
import pty
import random
import re
import shutil
import signal
import struct
import subprocess
import termios
import time
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

LONG = ["train.steps=2000", "train.log_every=70", "train.eval_every=250", "train.checkpoint_every=300"]
FILES = {
    "config.yaml",
    "resolved.yaml",
    "plan.json",
    "variables.json",
    "data.json",
    "env.json",
    "metrics.jsonl",
    "best",
    "last",
}


def arrays(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "checkpoints" / (run / "last").read_text().strip() / "state.safetensors")


def lines(run: Path) -> list[dict]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{n: v for n, v in r.items() if n != "examples_per_second"} for r in records]


def steps(run: Path) -> list[str]:
    return sorted(p.name for p in (run / "checkpoints").iterdir() if not p.name.endswith(".refused"))


def same_end(one: Path, other: Path) -> None:
    """Both ended with the same bits and told the same on the way."""
    first, second = arrays(one), arrays(other)
    assert first.keys() == second.keys()
    assert [n for n in first if first[n].tobytes() != second[n].tobytes()] == []
    assert lines(one) == lines(other)
    assert steps(one) == steps(other)
    assert (one / "best").read_text() == (other / "best").read_text()


def wait_for(run: Path, step: int, process: "subprocess.Popen[str]") -> None:
    """Until the run's metrics have come to a step, or the process is done."""
    while process.poll() is None:
        written = (run / "metrics.jsonl").read_bytes() if (run / "metrics.jsonl").exists() else b""
        whole = written[: written.rfind(b"\n") + 1].splitlines()
        if whole and json.loads(whole[-1])["step"] >= step:
            return
        time.sleep(0.002)


@pytest.fixture(scope="module")
def whole(small, cli, tmp_path_factory):
    """A longer run that nothing interrupted."""
    path = tmp_path_factory.mktemp("whole") / "run"
    assert cli("fit", small, *LONG, "--run-dir", path).code == 0
    return path


@pytest.fixture
def copy(run, tmp_path):
    """The finished run, to be changed."""
    return Path(shutil.copytree(run, tmp_path / "copy"))


def test_a_run_that_is_killed_and_stopped_ends_bit_identical(small, cli, spawn, whole, tmp_path):
    path, moments = tmp_path / "run", random.Random()
    words = ["fit", small, *LONG, "--run-dir", path, "--resume"]
    ends = [signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGTERM]
    for number, (end, step) in enumerate(zip(ends, (70, 400, 750, 1100), strict=True)):
        process = spawn(*words)
        wait_for(path, step, process)
        time.sleep(moments.uniform(0, 0.05))
        if number == 0:
            process.send_signal(signal.SIGSTOP)
            second = cli(*words)
            assert second.code == 6
            assert f"{path}: is in use by process {process.pid} on " in second.err
            process.send_signal(signal.SIGCONT)
        process.send_signal(end)
        _, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        stopped(process.returncode, end, err, path)
    assert cli(*words).code == 0
    same_end(whole, path)
    numbers = [r["step"] for r in lines(path) if "train/loss" in r]
    assert numbers == [*range(70, 2000, 70), 2000]


def stopped(code: int, end: int, err: str, path: Path) -> None:
    """The words and the code of a process that was stopped while it trained."""
    if end == signal.SIGKILL:
        assert code == -9
        return
    assert code == 128 + end
    last = err.splitlines()[-1]
    assert last.startswith(f"stopped by {signal.Signals(end).name} after step ")
    assert f"; saved {path}/checkpoints/step_" in last
    assert last.endswith(f" train.checkpoint_every=300 --run-dir {path} --resume")


def test_resuming_a_finished_run_changes_nothing(small, cli, copy):
    before = {p: p.read_bytes() for p in copy.rglob("*") if p.is_file() and p.name != ".lock"}
    again = cli("fit", small, "--run-dir", copy, "--resume", "--json")
    assert (again.code, json.loads(again.out)["steps"]) == (0, 24)
    assert f"resuming at step 24: {copy} is trained" in again.err
    assert before == {p: p.read_bytes() for p in before}
    assert set(before) == {p for p in copy.rglob("*") if p.is_file() and p.name != ".lock"}


def test_resuming_makes_up_for_a_last_evaluation_that_was_not_done(small, cli, run, copy):
    kept = (copy / "metrics.jsonl").read_text().splitlines(keepends=True)[:-1]
    (copy / "metrics.jsonl").write_text("".join(kept))
    (copy / "best").unlink()
    assert cli("fit", small, "--run-dir", copy, "--resume").code == 0
    same_end(run, copy)


def test_a_finished_run_is_extended_and_never_shortened(small, cli, copy):
    assert cli("fit", small, "--run-dir", copy, "--resume", "train.steps=30").code == 0
    assert lines(copy)[-1]["step"] == 30 and (copy / "last").read_text() == "step_00000030\n"
    shorter = cli("fit", small, "--run-dir", copy, "--resume", "train.steps=5", "--json")
    assert shorter.code == 0 and json.loads(shorter.out)["steps"] == 30


def test_resume_goes_on_from_an_older_checkpoint(small, cli, run, copy):
    older = copy / "checkpoints" / "step_00000018"
    assert cli("fit", small, "--run-dir", copy, "--resume", older).code == 0
    same_end(run, copy)
    assert cli("fit", small, "--run-dir", copy, "--resume", "18").code == 0
    same_end(run, copy)


def test_resume_from_another_run_leaves_that_run_alone(small, cli, run, tmp_path):
    assert cli("fit", small, "--run-dir", tmp_path / "new", "--resume", run, "train.steps=26").code == 0
    assert [r["step"] for r in lines(tmp_path / "new")] == [24, 25, 26, 26]
    assert cli("fit", small, "--run-dir", tmp_path / "same", "--resume", run).code == 0
    assert steps(tmp_path / "same") == ["step_00000024"] and (tmp_path / "same" / "env.json").exists()


def test_resume_starts_where_nothing_is(small, cli, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        done = cli("fit", small, "--run-dir", tmp_path / name, "--resume", "train.steps=2")
        assert done.code == 0 and "no checkpoint yet, training" in done.err


def test_a_word_after_resume_is_still_a_config_or_an_override(small, cli, copy):
    for words in (
        ["--resume", small, "--run-dir", copy, "train.steps=25"],
        ["--run-dir", copy, small, "--resume", "train.steps=25"],
        ["--run-dir", copy, small, "--resume", "~train.epochs", "train.steps=25"],
    ):
        done = cli("fit", *words)
        assert done.code == 0 or "train.epochs" in done.err, done.err
    assert (copy / "last").read_text() == "step_00000025\n"


def test_a_damaged_checkpoint_is_told_and_the_one_before_taken(small, cli, run, copy):
    for name in ("state.safetensors", "manifest.json"):
        file = copy / "checkpoints" / "step_00000024" / name
        file.write_bytes(file.read_bytes()[:-9] + b"123456789")
        done = cli("fit", small, "--run-dir", copy, "--resume")
        assert done.code == 0
        assert "step_00000024: " in done.err and "; going one back\nresuming at step 18" in done.err
        same_end(run, copy)
    # Without its manifest nobody can say whose it was: it is set aside, not removed.
    assert (copy / "checkpoints" / "step_00000024.refused" / "state.safetensors").exists()


def test_names_by_default(small, cli, tmp_path):
    with chdir(tmp_path):
        for name in ("small", "small-2"):
            done = cli("fit", small, "train.steps=1", "--json")
            assert json.loads(done.out)["run"] == f"runs/{name}"
        assert cli("fit", small, "--resume", "train.steps=2").code == 0
        assert {p.name: (p / "last").read_text() for p in Path("runs").iterdir()} == {
            "small": "step_00000001\n",
            "small-2": "step_00000002\n",
        }


def test_a_failed_start_leaves_no_directory(small, cli, tmp_path):
    with chdir(tmp_path):
        assert cli("fit", small, "--init-from", "none.npz").code == 5
        assert not Path("runs").exists()


def test_a_run_holds_exactly_its_files(trained, cli, small):
    path, outcome = trained
    assert {p.name for p in path.iterdir()} == FILES | {"checkpoints", ".lock"}
    assert steps(path) == sorted({"step_00000018", "step_00000024", (path / "best").read_text().strip()})
    assert {p.name for p in (path / "checkpoints/step_00000024").iterdir()} == {"state.safetensors", "manifest.json"}
    assert [r["step"] for r in lines(path)] == [5, 8, 10, 15, 16, 20, 24, 24]
    terms = {"train/losses/sparse_softmax_cross_entropy", "train/losses/regularization"}
    assert {"step", "epoch", "train/loss", *terms, "train/accuracy", "learning_rate"} == set(lines(path)[0])
    assert {"step", "epoch", "eval/loss", "eval/accuracy"} == set(lines(path)[1])


def test_the_result_is_on_stdout_and_the_talk_on_stderr(trained):
    path, outcome = trained
    told = json.loads(outcome.out)
    assert list(told) == ["run", "steps", "epochs", "metrics", "seconds", "examples_per_second"]
    assert (told["run"], told["steps"], told["epochs"]) == (str(path), 24, 4.0)
    assert told["metrics"] == {"accuracy": lines(path)[-1]["eval/accuracy"], "loss": lines(path)[-1]["eval/loss"]}
    assert outcome.err.startswith(f"training: {path}, to step 24\nstep 8/24  accuracy ")
    assert "%|" not in outcome.err and "\r" not in outcome.err


def test_the_resolved_config_trains_to_the_same_bits(cli, run, tmp_path):
    done = cli("fit", run / "resolved.yaml", "--run-dir", tmp_path / "again", "-q")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("accuracy ") and done.out.endswith(f"\n{tmp_path}/again\n")
    same_end(run, tmp_path / "again")
    written = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    assert [r["examples_per_second"] > 0 for r in written if r["step"] == 20] == [True]


def test_a_terminal_gets_a_bar(small, spawn, tmp_path):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    process = spawn("fit", small, "--run-dir", tmp_path / "run", stderr=theirs, text=False)
    os.close(theirs)
    seen = b""
    while chunk := read(ours):
        seen += chunk
    os.close(ours)
    assert process.wait(timeout=60) == 0 and process.stdout.read().startswith(b"accuracy ")
    process.stdout.close()
    assert b"24/24" in seen and b"small: " in seen and b"evaluating: " in seen
    assert not re.search(rb"evaluating: 100%[^\r]*\r\n", seen)  # the bars of evaluations vanish


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""


def test_divergence_keeps_the_good_state(small, cli, tmp_path):
    path = tmp_path / "run"
    rate = "optimizer.momentum.learning_rate=1e30"
    done = cli("fit", small, rate, "--run-dir", path)
    assert done.code == 3 and done.out == ""
    told, saved, batch = done.err.splitlines()[-3:]
    assert told.startswith("step ") and "is not finite; the state before it is kept; lower the learning rate" in told
    assert saved == f"the state before it is saved: {path}/checkpoints/{(path / 'last').read_text().strip()}"
    assert batch.startswith(f"its batch is kept: {path}/diverged/step_")
    assert all(np.isfinite(a).all() for a in arrays(path).values()) and arrays(path)["finite"]
    assert cli("eval", path).code == 0
    assert cli("fit", small, rate, "--run-dir", path, "--resume").code == 3
    assert cli("fit", small, "--run-dir", path, "--resume", "train.steps=1").code == 0


def test_dry_run_writes_nothing(small, cli, tmp_path):
    with chdir(tmp_path):
        done = cli("fit", small, "--dry-run", "--json")
        assert done.code == 0 and list(tmp_path.iterdir()) == []
        told = json.loads(done.out)
        assert (told["steps"], told["epochs"], told["batch"], told["parameters"]) == (24, 4.0, 16, 632)
        assert cli("fit", small, "--dry-run").out.startswith("would train 24 steps (4 epochs) of 16 examples; 632")


def test_refusals(small, cli, run, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    table = {
        ("--run-dir", run): (2, f"{run}: holds a run already; add --resume to go on with it, or start a new one with "),
        ("--run-dir", run, "--resume", "seed=9"): (5, "was trained with seed 3, the config says 9; resume with seed=3"),
        ("--run-dir", tmp_path / "a", "--resume", tmp_path / "none"): (5, "none: no checkpoint or run directory; give"),
        ("--run-dir", tmp_path / "a", "--resume", tmp_path / "folder"): (2, "folder: is not a run directory; a run"),
        ("--run-dir", run, "--resume", "7"): (5, "has no checkpoint '7'; give best, last or a step; there are "),
        ("--run-dir", run, "--resume", "optimizer={sgd: {learning_rate: 1}}"): (5, "is not of this config: 'opt"),
        ("--run-dir", tmp_path / "file"): (74, f"{tmp_path}/file: cannot be made a run directory: File exists; check"),
        ("--run-dir", tmp_path / "file" / "run"): (74, "file/run: cannot be made a run directory: Not a directory; ch"),
        ("--resume", "--init-from", run): (2, "--resume goes on with a run's own weights; --init-from starts from"),
        ("--include", "conv1"): (2, "--include and --exclude say what --init-from takes; give --init-from too."),
        ("~losses", "~optimizer", "~train.steps"): (2, "losses: nothing to minimize; add 'losses: [sparse_"),
        ("train.epochs=1",): (2, "train: give either 'steps' or 'epochs'"),
        ("train.stepz=1",): (2, "did you mean"),
    }
    for words, (code, sentence) in table.items():
        with chdir(tmp_path):
            done = cli("fit", small, *words)
        assert done.code == code and sentence in done.err and done.out == "", (words, done)


def test_a_full_disk_costs_nothing_that_was_saved(small, cli, run, tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=56k", "none", tmp_path], capture_output=True).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        done = cli("fit", small, "--run-dir", tmp_path / "run")
        assert done.code == 74 and "No space left on device; free some space and try again" in done.err
        assert steps(tmp_path / "run") and not list(tmp_path.rglob("*tmp-*"))
        subprocess.run(["mount", "-o", "remount,size=4m", tmp_path], check=True)
        done = cli("fit", small, "--run-dir", tmp_path / "run", "--resume")
        assert done.code == 0 and "resuming at step " in done.err
        same_end(run, tmp_path / "run")
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_moving_averages_and_parts_of_batches_go_on_exactly(small, cli, tmp_path):
    words = ["train.ema=0.8", "train.accumulate=2", "train.summarize_gradients=true", "train.freeze=[conv1/weights]"]
    whole, path = tmp_path / "whole", tmp_path / "run"
    assert cli("fit", small, *words, "--run-dir", whole).code == 0
    shutil.copytree(whole, path)
    assert cli("fit", small, *words, "--run-dir", path, "--resume", "18").code == 0
    same_end(whole, path)
    last = lines(path)[-2]
    assert last["gradient_norm"] > 0 and "gradient_norm/logits/weights" in last
    assert not any(n.startswith("gradient_norm/conv1/weights") for n in last)


def test_training_stops_early_and_stays_stopped(small, cli, tmp_path):
    path = tmp_path / "run"
    words = [
        "train.early_stop=2",
        "train.eval_every=2",
        "optimizer.momentum.learning_rate=0",
        "train.freeze=[BatchNorm]",
    ]
    done = cli("fit", small, *words, "--run-dir", path, "--json")
    assert done.code == 0 and json.loads(done.out)["steps"] == 6
    assert "stopped early at step 6: no better accuracy in 2 evaluations since step 2" in done.err
    assert (path / "last").read_text() == "step_00000006\n" and (path / "best").read_text() == "step_00000002\n"
    before = (path / "metrics.jsonl").read_bytes()
    again = cli("fit", small, *words, "--run-dir", path, "--resume", "--json")
    assert again.code == 0 and json.loads(again.out)["steps"] == 6 and "stopped early at step 6" in again.err
    assert (path / "metrics.jsonl").read_bytes() == before
    longer = [w.replace("early_stop=2", "early_stop=3") for w in words]
    assert json.loads(cli("fit", small, *longer, "--run-dir", path, "--resume", "--json").out)["steps"] == 8


def test_a_config_can_name_the_weights_to_start_with(small, cli, run, tmp_path):
    words = [
        f"+train.init_from={run}",
        "+train.init_exclude=[logits]",
        "train.steps=1",
        "train.variables_to_train=[logits]",
    ]
    words += ["train.update_ops=[]"]
    done = cli("fit", small, *words, "--run-dir", tmp_path / "run")
    assert done.code == 0 and f"training from the weights of {run}: " in done.err
    old, new = arrays(run), arrays(tmp_path / "run")
    kept = {n for n in new if n.startswith(("parameters/", "statistics/")) and np.array_equal(old[n], new[n])}
    assert kept == {n for n in new if n.startswith(("parameters/conv1", "statistics/"))}
    for more, sentence in (
        (["+train.init_include=[conv]"], "train.init_include: 'conv' matches no variable; did you mean 'conv1"),
        (["~train.init_from"], "train: init_include and init_exclude say what init_from takes; add 'init_from"),
    ):
        refused = cli("fit", small, *words, *more, "--run-dir", tmp_path / "other")
        assert refused.code == 2 and sentence in refused.err


def test_what_training_cannot_do_is_told_before_it_starts(small, cli, tmp_path):
    table = {
        (
            "train.accumulate=3",
        ): "train.accumulate: 3 parts do not divide a batch of 16; use a divisor of data.batch_size",
        ("train.early_stop=1", "train.eval_every=0"): "train.early_stop: nothing to judge by: train.eval_every is 0",
        ("train.early_stop=1", "~data.test"): "train.early_stop: nothing to judge by: the data has no test split",
        ("train.freeze=[conv]",): "train.freeze: 'conv' matches no variable; did you mean 'conv1'",
        ("train.moving_average_decay=0.9", "train.ema=0.9"): "train: 'moving_average_decay' is TF-Slim's name of 'ema'",
    }
    for words, sentence in table.items():
        done = cli("fit", small, *words, "--run-dir", tmp_path / "run")
        assert done.code == 2 and sentence in done.err, (words, done)
    assert not (tmp_path / "run").exists()


PICTURES = """\
data:
  source: image_folder
  path: images
  batch_size: 5
  preprocess: [{random_resized_crop: 6}, random_flip_left_right, rescale, {distort_color: {fast: false}}]
  eval_preprocess: [{resize: 6}, rescale]
model:
  layers:
    - conv2d: {num_outputs: 4, kernel_size: 3, normalizer_fn: batch_norm, scope: conv1}
    - flatten
    - fully_connected: {num_outputs: 2, activation_fn: null, scope: logits}
losses: [sparse_softmax_cross_entropy]
metrics: [accuracy]
optimizer: {momentum: 0.01}
train: {steps: 300, log_every: 10, eval_every: 100, checkpoint_every: 40}
"""


@pytest.fixture
def pictures(tmp_path):
    """A config whose images lie in folders, of many sizes."""
    draw = np.random.default_rng(0)
    for split, name, count in (("train", "a", 8), ("train", "b", 9), ("test", "a", 3), ("test", "b", 4)):
        folder = tmp_path / "images" / split / name
        folder.mkdir(parents=True)
        for number in range(count):
            pixels = draw.integers(0, 256, (7 + number, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.jpg")
    (tmp_path / "pictures.yaml").write_text(PICTURES)
    return tmp_path / "pictures.yaml"


def test_a_run_on_image_files_is_killed_and_stopped_and_ends_bit_identical(pictures, cli, spawn, tmp_path):
    whole, path = tmp_path / "whole", tmp_path / "run"
    assert cli("fit", pictures, "--run-dir", whole, "data.workers=1").code == 0
    for end, step in ((signal.SIGKILL, 50), (signal.SIGTERM, 120), (signal.SIGKILL, 170)):
        process = spawn("fit", pictures, "--run-dir", path, "--resume", "data.workers=3")
        wait_for(path, step, process)
        process.send_signal(end)
        _, err = process.communicate(timeout=60)
        assert "Traceback" not in err and process.returncode == (-9 if end == signal.SIGKILL else 143), err
    done = cli("fit", pictures, "--run-dir", path, "--resume", "--json")
    assert done.code == 0 and json.loads(done.out)["steps"] == 300
    same_end(whole, path)


def test_an_image_that_breaks_while_a_run_goes_on_ends_it_with_its_name(pictures, cli, tmp_path):
    bad = pictures.parent / "images" / "train" / "b" / "8.jpg"
    bad.write_bytes(bad.read_bytes()[:-100])
    done = cli("fit", pictures, "--run-dir", tmp_path / "run")
    assert done.code == 4 and f"{bad}: cannot be read: image file is truncated" in done.err
    skipped = cli("fit", pictures, "--run-dir", tmp_path / "other", "data.on_error=skip", "train.steps=3")
    told = f"{bad.parents[1]}: left out 1 of 17 images, which cannot be read; the first: {bad} cannot be read"
    assert skipped.code == 0 and told in skipped.err
