"""`export`: a run's variables as one file."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

READ = {"npz": lambda path: dict(np.load(path)), "safetensors": load_file}


@pytest.mark.parametrize("form", READ)
def test_every_variable_under_its_name(cli, run, tmp_path, form):
    done = cli("export", run, "--format", form, "--out", tmp_path / f"w.{form}")
    assert done.out == f"7 variables in {tmp_path}/w.{form}\n"
    state = load_file(run / "checkpoints" / "step_00000024" / "state.safetensors")
    listed = {v["name"]: v for v in json.loads((run / "variables.json").read_text())}
    written = READ[form](tmp_path / f"w.{form}")
    assert written.keys() == listed.keys()
    for name, array in written.items():
        kind = "parameters" if listed[name]["trainable"] else "statistics"
        np.testing.assert_array_equal(array, state[f"{kind}/{name}"])


def test_a_choice_of_variables_and_checkpoints(cli, run, tmp_path):
    out = tmp_path / "w.npz"
    assert cli("export", run, "--format", "npz", "--out", out, "--include", "conv1", "--exclude", "BatchNorm").code == 0
    assert list(np.load(out)) == ["conv1/weights"]
    assert cli("export", run, "--format", "npz", "--out", out, "--checkpoint", "18", "--include", "biases").code == 0
    state = load_file(run / "checkpoints" / "step_00000018" / "state.safetensors")
    np.testing.assert_array_equal(np.load(out)["logits/biases"], state["parameters/logits/biases"])


def test_refusals(cli, run, small, tmp_path):
    table = {
        (small, "npz", "w.npz"): (2, "export: a config has no weights to export; give a run directory"),
        (run, "npz", "w.safetensors"): (2, "'w.safetensors' does not end in .npz; name it 'w.npz'"),
        (run, "npz", "w"): (2, "'w' does not end in .npz; name it 'w.npz'"),
        (run, "pkl", "w.pkl"): (2, "'pkl' is not one of 'npz', 'safetensors'"),
        (run, "npz", f"{tmp_path}/no/w.npz"): (74, "no/w.npz: cannot be written: No such file or directory; check"),
        (run, "npz", "w.npz", "--include", "conv9"): (2, "--include: "),
        (run, "npz", "w.npz", "--checkpoint", "1"): (5, "has no checkpoint '1'"),
    }
    for (target, form, out, *more), (code, sentence) in table.items():
        done = cli("export", target, "--format", form, "--out", out, *more)
        assert done.code == code and sentence in done.err and done.out == "", done


def test_a_folded_net_is_written_with_its_config(cli, run, small, tmp_path):
    out = tmp_path / "folded.npz"
    done = cli("export", run, "--format", "npz", "--out", out, "--fold-bn")
    assert done.out == f"4 variables in {out}, their config in {tmp_path}/folded.yaml\n"
    assert done.err == "folded conv1/BatchNorm into conv1/weights\n"
    assert set(np.load(out)) == {"conv1/weights", "conv1/biases", "logits/weights", "logits/biases"}
    told = json.loads(cli("eval", tmp_path / "folded.yaml", "--weights", out, "--json").out)["metrics"]
    want = json.loads(cli("eval", run, "--json").out)["metrics"]
    assert told["accuracy"] == want["accuracy"] and told["loss"] == pytest.approx(want["loss"], rel=1e-2)
    again = cli("export", run, "--format", "npz", "--out", out, "--fold-bn")
    assert again.code == 2 and f"{tmp_path}/folded.yaml: is there already" in again.err


def test_a_folded_net_is_not_trained(cli, run, tmp_path):
    assert cli("export", run, "--format", "safetensors", "--out", tmp_path / "f.safetensors", "--fold-bn").code == 0
    refused = cli("fit", tmp_path / "f.yaml", "--run-dir", tmp_path / "more")
    assert refused.code == 2 and "optimizer: none given" in refused.err
