"""`eval`: the metrics of a whole split, whatever the batches are and wherever the weights come from."""

import json

import numpy as np
import pytest

from slimtrain.jobs.evaluate import evaluate
from slimtrain.jobs.target import load


def last_line(run, kind="eval/"):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = [line for line in lines if any(n.startswith(kind) for n in line)][-1]
    return {n.removeprefix(kind): v for n, v in found.items() if n.startswith(kind)}


def test_a_run_evaluates_to_its_last_line(cli, run):
    done = cli("eval", run, "--json")
    assert json.loads(done.out) == {
        "run": str(run),
        "checkpoint": "step_00000024",
        "split": "test",
        "examples": 41,
        "metrics": last_line(run),
    }
    assert done.err == ""


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_every_example_counts_once(run, size):
    found = evaluate(load(run, [f"data.eval_batch_size={size}"]), run=run)
    assert found.examples == 41
    assert found.metrics == pytest.approx(last_line(run), abs=1e-6)
    assert found.metrics["accuracy"] * 41 == pytest.approx(round(found.metrics["accuracy"] * 41), abs=1e-9)


def test_checkpoints_and_splits(cli, run):
    best = (run / "best").read_text().strip()
    assert json.loads(cli("eval", run, "--checkpoint", "best", "--json").out)["checkpoint"] == best
    earlier = json.loads(cli("eval", run, "--checkpoint", "18", "--json").out)
    assert earlier["checkpoint"] == "step_00000018" and earlier["metrics"] != last_line(run)
    train = json.loads(cli("eval", run, "--split", "train", "--json").out)
    assert (train["split"], train["examples"]) == ("train", 96)
    assert cli("eval", run, "--split", "train").out.endswith("   (train, n = 96, step_00000024)\n")


def test_a_config_takes_weights_from_anywhere(cli, run, small, tmp_path):
    for form in ("npz", "safetensors"):
        out = tmp_path / f"weights.{form}"
        assert cli("export", run, "--format", form, "--out", out).code == 0
        told = json.loads(cli("eval", small, "--weights", out, "--json").out)
        assert told["metrics"] == last_line(run) and told["checkpoint"] == out.name
    assert json.loads(cli("eval", small, "--weights", run, "--json").out)["metrics"] == last_line(run)
    folder = run / "checkpoints" / "step_00000024"
    assert json.loads(cli("eval", small, "--weights", folder, "--json").out)["metrics"] == last_line(run)


def test_several_losses_are_told_apart(run):
    both = ["losses=[sparse_softmax_cross_entropy, {softmax_cross_entropy: {weight: 0.5}}]"]
    found = evaluate(load(run, both), run=run).metrics
    parts = {n: v for n, v in found.items() if n.startswith("losses/")}
    assert set(parts) == {"losses/sparse_softmax_cross_entropy", "losses/softmax_cross_entropy"}
    penalty = found["loss"] - sum(parts.values())
    single = last_line(run)["loss"]
    assert single - parts["losses/sparse_softmax_cross_entropy"] == pytest.approx(penalty, abs=1e-6) and penalty > 0


@pytest.mark.parametrize(
    "words, code, sentence",
    [
        (["--checkpoint", "7"], 5, "has no checkpoint '7'; give best, last or a step; there are "),
        (["--checkpoint", "newest"], 5, "has no checkpoint 'newest'; give best, last or a step"),
        (["--split", "val"], 4, "data: there is no 'val' split; the data has: train, test"),
        (["--weights", "none.npz"], 5, "none.npz: there is no such file"),
        (["--weights", "none.pkl"], 5, "none.pkl: is not a name for a file of weights; give one that ends in (.npz, "),
        (["losses=[]", "metrics=[]"], 2, "the config names no losses and no metrics; add 'metrics: [accuracy]'"),
        (["model.layers.3.fully_connected.num_outputs=5"], 5, "'logits/weights' has shape [144, 4] there, [144, 5] in"),
        (["data.test=none.npz"], 4, "none.npz: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_evaluated(cli, run, words, code, sentence):
    done = cli("eval", run, *words)
    assert done.code == code and sentence in done.err and done.out == ""


def test_a_config_alone_has_no_weights(cli, small, tmp_path):
    done = cli("eval", small)
    assert (done.code, done.err) == (
        2,
        "eval: a config has no weights to evaluate; give a run directory, or --weights FILE with the config\n",
    )
    np.savez(tmp_path / "other.npz", **{"conv1/weight": np.zeros((3, 3, 1, 4))})
    done = cli("eval", small, "--weights", tmp_path / "other.npz")
    assert done.code == 5 and "has no 'conv1/weights'; did you mean 'conv1/weight'?\n" in done.err
    assert "--exclude" not in done.err and len(done.err.splitlines()) == 3


def test_a_run_with_moving_averages_is_evaluated_by_them(cli, small, tmp_path):
    path = tmp_path / "run"
    assert cli("fit", small, "train.moving_average_decay=0.9", "--run-dir", path).code == 0
    averaged = json.loads(cli("eval", path, "--json").out)["metrics"]
    assert averaged == last_line(path)
    raw = json.loads(cli("eval", path, "--no-ema", "--json").out)["metrics"]
    assert raw != averaged
    for words, want in (((), averaged), (("--no-ema",), raw)):
        out = tmp_path / "weights.npz"
        assert cli("export", path, "--format", "npz", "--out", out, *words).code == 0
        assert json.loads(cli("eval", small, "--weights", out, "--json").out)["metrics"] == want
        dump = tmp_path / "dump.npz"
        assert cli("inspect", path, "--batch", "3", "--dump", dump, *words).code == 0
        np.testing.assert_array_equal(np.load(dump)["variables/conv1/weights"], np.load(out)["conv1/weights"])


def test_recalibrated_statistics_are_those_of_the_training_split(cli, run, small, tmp_path):
    stale = dict(np.load(exported(cli, run, tmp_path / "weights.npz")))
    stale["conv1/BatchNorm/moving_mean"] += 9
    np.savez(tmp_path / "stale.npz", **stale)
    words = ["eval", small, "--weights", tmp_path / "stale.npz", "--json"]
    spoilt = json.loads(cli(*words).out)["metrics"]
    done = cli(*words, "--recalibrate-bn", "--out", tmp_path / "mended.npz")
    mended = json.loads(done.out)["metrics"]
    assert mended["loss"] < spoilt["loss"] and mended["accuracy"] >= last_line(run)["accuracy"] - 0.1
    found = dict(np.load(tmp_path / "mended.npz"))
    assert [n for n in found if not np.array_equal(found[n], stale[n])] == [
        "conv1/BatchNorm/moving_mean",
        "conv1/BatchNorm/moving_variance",
    ]
    again = [*words[:3], tmp_path / "mended.npz", "--json"]
    assert json.loads(cli(*again).out)["metrics"] == pytest.approx(mended, abs=1e-6)


def exported(cli, run, out):
    assert cli("export", run, "--format", "npz", "--out", out).code == 0
    return out


def test_there_must_be_something_to_recalibrate(cli, run, small):
    frozen = cli("eval", run, "--recalibrate-bn", "train.freeze=[conv1]")
    assert frozen.code == 2 and "--recalibrate-bn: the network has no batch norm whose statistics move" in frozen.err
    no_split = cli("eval", run, "--recalibrate-bn", "~data.train")
    assert no_split.code == 4 and "there is no 'train' split" in no_split.err


LISTED = "metrics=[{recall: {average: none}}, confusion_matrix, accuracy, {mean: {values: conv1}}]"


def test_lists_and_matrices_are_reported(cli, run):
    told = json.loads(cli("eval", run, LISTED, "--json").out)["metrics"]
    matrix = np.array(told["confusion_matrix"])
    assert matrix.shape == (4, 4) and matrix.sum() == 41
    assert told["recall"] == list(np.diag(matrix) / matrix.sum(1))
    assert told["accuracy"] == np.trace(matrix) / 41
    shown = cli("eval", run, LISTED).out.splitlines()
    assert shown[0].startswith("recall [") and shown[1] == "confusion_matrix" and len(shown) == 8


def test_a_run_keeps_lists_in_its_lines(cli, small, tmp_path):
    made = cli("fit", small, LISTED, "train.steps=8", "--run-dir", tmp_path / "run", "--json")
    assert made.code == 0, made.err
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    train, evaluated = next(li for li in lines if "train/loss" in li), next(li for li in lines if "eval/loss" in li)
    assert np.sum(train["train/confusion_matrix"]) == 16 and np.sum(evaluated["eval/confusion_matrix"]) == 41
    assert len(train["train/recall"]) == len(evaluated["eval/recall"]) == 4
    assert json.loads(made.out)["metrics"] == {n[5:]: v for n, v in evaluated.items() if n.startswith("eval/")}


@pytest.mark.parametrize("size", [5, 41])
def test_counting_metrics_are_the_same_to_the_bit_whatever_the_batches(run, size):
    metrics = "metrics=[f1, {precision: {average: weighted}}, cohen_kappa, mean_iou]"
    one, other = (evaluate(load(run, [metrics, f"data.eval_batch_size={n}"]), run=run).metrics for n in (size, 8))
    names = {"f1", "precision", "cohen_kappa", "mean_iou"}
    assert {n: one[n] for n in names} == {n: other[n] for n in names}


def test_folded_batch_norms_change_no_metric(cli, run, tmp_path):
    want = json.loads(cli("eval", run, "--json").out)["metrics"]
    done = cli("eval", run, "--fold-bn", "--out", tmp_path / "folded.npz", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["metrics"] == pytest.approx(want, rel=1e-5)
    assert "folded conv1/BatchNorm into conv1/weights" in done.err
    assert "conv1/BatchNorm/gamma" not in np.load(tmp_path / "folded.npz")


def test_there_must_be_something_to_fold(cli, run):
    done = cli("eval", run, "--fold-bn", "model.layers.0.conv2d.normalizer_fn.batch_norm.is_training=true")
    assert done.code == 2 and "--fold-bn: no batch norm can be folded (conv1/BatchNorm: is_training: true" in done.err
