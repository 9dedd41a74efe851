"""Weights by name from runs and files; what does not fit is told, all of it, with the cure."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file


@pytest.fixture(scope="module")
def weights(cli, run, tmp_path_factory):
    """The finished run's variables, as arrays."""
    out = tmp_path_factory.mktemp("weights") / "w.npz"
    assert cli("export", run, "--format", "npz", "--out", out).code == 0
    return dict(np.load(out))


def begin(cli, small, path, *words):
    """The arrays of a run of one step without learning from given weights."""
    rate = "optimizer={momentum: {learning_rate: 0.0}}"
    done = cli("fit", small, rate, "train.steps=1", "train.update_ops=[]", "--run-dir", path, *words)
    assert done.code == 0, done.err
    assert f"training from the weights of {words[1]}: {path}" in done.err
    return load_file(path / "checkpoints" / "step_00000001" / "state.safetensors")


def test_weights_by_name_and_all_else_fresh(cli, small, run, weights, tmp_path):
    np.savez(tmp_path / "w.npz", **weights, unused=np.zeros(3))
    save_file(weights, tmp_path / "w.safetensors")
    for number, source in enumerate((run, tmp_path / "w.npz", tmp_path / "w.safetensors")):
        state = begin(cli, small, tmp_path / str(number), "--init-from", source)
        for name, array in weights.items():
            kind = "statistics" if "moving" in name else "parameters"
            np.testing.assert_array_equal(state[f"{kind}/{name}"], array)
        assert state["step"] == 1
    before = load_file(run / "checkpoints" / "step_00000024" / "state.safetensors")
    momentum = [n for n in before if n.startswith("optimizer/") and n.endswith("logits/biases")]
    assert momentum and all((state[n] != before[n]).any() for n in momentum)


def test_a_choice_of_variables(cli, small, weights, tmp_path):
    np.savez(tmp_path / "w.npz", **weights)
    some = begin(cli, small, tmp_path / "a", "--init-from", tmp_path / "w.npz", "--exclude", "logits/")
    assert (some["parameters/conv1/weights"] == weights["conv1/weights"]).all()
    assert (some["parameters/logits/weights"] != weights["logits/weights"]).any()
    some = begin(cli, small, tmp_path / "b", "--init-from", tmp_path / "w.npz", "--include", "logits")
    assert (some["parameters/conv1/weights"] != weights["conv1/weights"]).any()
    assert (some["parameters/logits/weights"] == weights["logits/weights"]).all()


def test_what_does_not_fit(cli, small, run, weights, tmp_path):
    renamed = {n.replace("conv1/weights", "conv1/weight"): a for n, a in weights.items()}
    np.savez(tmp_path / "renamed.npz", **renamed)
    np.savez(tmp_path / "shape.npz", **weights | {"logits/weights": np.zeros((9, 9)), "logits/biases": np.zeros(9)})
    np.savez(tmp_path / "words.npz", **weights | {"logits/biases": np.array(list("abcd"))})
    np.savez(tmp_path / "none.npz")
    (tmp_path / "torn.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    table = {
        ("renamed.npz",): (1, "has no 'conv1/weights'; did you mean 'conv1/weight'? or start it fresh with"),
        ("shape.npz",): (1, "'logits/weights' has shape [9, 9] there, [144, 4] in this net (and 1 more in logits/); "),
        ("words.npz",): (1, "'logits/biases' holds no numbers"),
        ("none.npz",): (4, "7 of 7 variables do not fit; start them fresh with --exclude conv1/ --exclude logits/\n"),
        ("torn.safetensors",): (1, "torn.safetensors: cannot be read as .safetensors: "),
        ("no.npz",): (1, "no.npz: there is no such file"),
        ("w.ckpt",): (1, "(.npz, .safetensors); 'slimtrain import-tf' makes one of a TensorFlow checkpoint"),
    }
    for (name, *words), (number, sentence) in table.items():
        done = cli("fit", small, "--run-dir", tmp_path / "run", "--init-from", tmp_path / name, *words)
        assert done.code == 5 and sentence in done.err and len(done.err.splitlines()) == number, done
        assert not (tmp_path / "run").exists()
    done = cli("fit", small, "--run-dir", tmp_path / "run", "--init-from", run, "--exclude", "conv7")
    assert done.code == 2 and done.err.startswith("--exclude: ")
