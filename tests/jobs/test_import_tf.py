"""`import-tf`: the model's variables and nothing else, and every command that takes the file."""

import json
from pathlib import Path

import numpy as np
import pytest

from slimtrain.store.weights import read_weights

HERE = Path(__file__).parents[1] / "store/tensorflow"
FILES = HERE / "files"
NET = """\
data: {source: arrays, train: train.npz, test: train.npz, batch_size: 4}
model:
  scope: Net
  input: {shape: [6, 6, 2]}
  layers:
    - conv2d:
        num_outputs: 3
        kernel_size: 3
        scope: conv1
        normalizer_fn: batch_norm
        normalizer_params: {zero_debias_moving_mean: true}
    - flatten
    - fully_connected: {num_outputs: 5, activation_fn: null, scope: logits}
losses: [sparse_softmax_cross_entropy]
metrics: [accuracy]
optimizer: {sgd: {learning_rate: 0.1}}
train: {steps: 1}
"""


@pytest.fixture(scope="module")
def values():
    """What TensorFlow reads from the files, by case and name."""
    return read_weights(HERE / "values.npz")


@pytest.fixture
def net(tmp_path):
    """The net of the files, as a config."""
    draw = np.random.default_rng(0)
    image = draw.normal(size=(8, 6, 6, 2)).astype(np.float32)
    np.savez(tmp_path / "train.npz", image=image, label=draw.integers(0, 5, 8))
    (tmp_path / "net.yaml").write_text(NET)
    return tmp_path / "net.yaml"


def test_the_variables_of_the_model(cli, values, tmp_path):
    done = cli("import-tf", FILES / "averages", tmp_path / "w.safetensors")
    told = "(step 1; left out: 10 of the optimizer, 7 moving averages, global_step)\n"
    assert done.code == 0 and done.out == f"8 variables in {tmp_path / 'w.safetensors'} {told}" and done.err == ""
    found = read_weights(tmp_path / "w.safetensors")
    assert {"Net/conv1/weights", "Net/logits/biases", "Net/conv1/BatchNorm/moving_variance"} < found.keys()
    assert all((found[n] == values[f"averages:{n}"]).all() for n in found)


def test_moving_averages(cli, values, tmp_path):
    done = cli("import-tf", FILES / "averages", tmp_path / "w.npz", "--ema", "--json")
    record = json.loads(done.out)
    assert record == {
        "source": str(FILES / "averages"),
        "out": str(tmp_path / "w.npz"),
        "variables": 8,
        "step": 1,
        "left_out": {"optimizer": 10, "weights": 7, "steps": 1},
    }
    found = read_weights(tmp_path / "w.npz")
    for name in found:
        shadow = f"averages:{name}/ExponentialMovingAverage"
        assert (found[name] == values.get(shadow, values[f"averages:{name}"])).all()
    assert (found["Net/conv1/weights"] != values["averages:Net/conv1/weights"]).any()
    assert "averages:Net/logits/biases/ExponentialMovingAverage" not in values
    done = cli("import-tf", FILES / "momentum", tmp_path / "no.npz", "--ema")
    assert done.code == 5 and done.err == f"{FILES / 'momentum'}: holds no moving averages; leave --ema out\n"


def test_a_choice(cli, tmp_path):
    done = cli("import-tf", FILES / "momentum_v1", tmp_path / "w.npz", "--include", "Net/", "--exclude", "logits/")
    assert "6 variables in" in done.out and "2 by --include and --exclude" in done.out
    assert not any("logits" in name for name in read_weights(tmp_path / "w.npz"))
    done = cli("import-tf", FILES / "momentum_v1", tmp_path / "x.npz", "--exclude", "logit/")
    assert done.code == 2 and "--exclude: 'logit/' matches no variable; did you mean" in done.err


def test_what_is_no_number_or_no_model(cli, tmp_path):
    done = cli("import-tf", FILES / "kinds", tmp_path / "w.npz")
    assert done.out.endswith("(left out: 1 that hold no numbers)\n")
    assert not (tmp_path / "no.npz").exists()
    done = cli("import-tf", tmp_path, tmp_path / "no.npz")
    assert done.code == 5 and done.err.startswith(f"{tmp_path}: holds no checkpoint of TensorFlow")
    done = cli("import-tf", FILES / "momentum", tmp_path / "w.h5")
    assert done.code == 2 and "w.h5: is not a name for a file of weights" in done.err
    done = cli("import-tf", FILES / "momentum", tmp_path / "gone/w.npz")
    assert done.code == 74


def test_every_command_takes_the_file(cli, net, values, tmp_path):
    weights = tmp_path / "w.safetensors"
    assert cli("import-tf", FILES / "momentum/model.ckpt-3.index", weights).code == 0
    evaluated = cli("eval", net, "--weights", weights, "--json")
    assert evaluated.code == 0 and json.loads(evaluated.out)["examples"] == 8
    assert cli("inspect", net, "--weights", weights, "--batch", 2, "--dump", tmp_path / "d.npz").code == 0
    dumped = read_weights(tmp_path / "d.npz")
    run = tmp_path / "run"
    assert cli("fit", net, "--init-from", weights, "optimizer.sgd.learning_rate=0.0", "--run-dir", run).code == 0
    assert cli("export", run, "--format", "npz", "--out", tmp_path / "back.npz").code == 0
    back = read_weights(tmp_path / "back.npz")
    for name in read_weights(weights):
        assert (dumped[f"variables/{name}"] == values[f"momentum:{name}"]).all()
        assert "moving" in name or (back[name] == values[f"momentum:{name}"]).all()
    other = cli("fit", net, "--init-from", weights, "model.layers.2.fully_connected.num_outputs=7", "--run-dir", "x")
    assert other.code == 5 and "start it fresh with --exclude Net/logits/" in other.err
    other = cli("eval", net, "--weights", weights, "model.scope=Other")
    assert other.code == 5 and "set model.scope=Net" in other.err


def test_a_checkpoint_given_as_weights(cli, net):
    done = cli("eval", net, "--weights", FILES / "momentum/model.ckpt-3.index")
    assert done.code == 5 and "'slimtrain import-tf' makes one of a TensorFlow checkpoint" in done.err
