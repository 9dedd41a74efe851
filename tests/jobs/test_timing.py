"""`time`: the keys, the sense of the numbers, and nets whose labels are not one class an example."""

import json
from unittest.mock import ANY

import pytest

KEYS = ["batch", "train_step_ms", "eval_step_ms", "compile_s", "device", "lowerings", "layers"]


def test_steps_and_layers_are_timed(cli, small):
    done = cli("time", small, "--steps", 3, "--batch", 5, "--per-layer", "--json")
    told = json.loads(done.out)
    assert set(told) == {*KEYS, "peak_memory_bytes"}
    assert (told["batch"], told["device"], told["lowerings"]) == (5, "cpu", {"conv1": ANY})
    for kind in ("train_step_ms", "eval_step_ms"):
        assert 0 < told[kind]["min"] <= told[kind]["median"]
    assert [(layer["name"], layer["op"]) for layer in told["layers"]] == [
        ("conv1", "conv2d"),
        ("Flatten", "flatten"),
        ("Dropout", "dropout"),
        ("logits", "fully_connected"),
    ]
    assert all(layer["forward_ms"] > 0 and layer["backward_ms"] >= 0 for layer in told["layers"])


def test_the_table(cli, small):
    lines = cli("time", small, "--steps", 1).out.splitlines()
    assert [lines[0].split(), lines[2].split()[:2], lines[3].split()[:2]] == [
        ["min", "ms", "median", "ms"],
        ["train", "step"],
        ["eval", "step"],
    ]
    assert lines[5].startswith("batch 16 on cpu: ") and lines[5].endswith("B at the peak of a train step")


@pytest.mark.parametrize(
    "loss", ["{mean_squared_error: {labels: image}}", "sparse_softmax_cross_entropy", "softmax_cross_entropy"]
)
def test_dense_labels(cli, tmp_path, loss):
    outputs = 1 if "image" in loss else 3
    (tmp_path / "net.yaml").write_text(f"""\
data: {{source: digits, batch_size: 4}}
model: {{layers: [{{conv2d: {{num_outputs: {outputs}, kernel_size: 3, activation_fn: null}}}}]}}
losses: [{loss}]
optimizer: {{sgd: {{learning_rate: 0.1}}}}
train: {{steps: 2}}
""")
    done = cli("time", tmp_path / "net.yaml", "--steps", 1)
    assert done.code == 0, done.err


def test_what_cannot_be_timed(cli, small):
    done = cli("time", small, "~losses")
    assert done.code == 2 and "losses: nothing to minimize" in done.err
    odd = cli("time", small, "train.accumulate=4", "--batch", 6)
    assert odd.code == 2 and "--batch: 4 parts (train.accumulate) do not divide a batch of 6; give a mult" in odd.err


def test_memory_is_kept_where_the_process_is_the_commands_own(spawn, cli, small):
    words = ("time", small, "--steps", 1, "-v")
    with spawn(*words) as process:
        out, err = process.communicate()
    assert process.returncode == 0 and err.startswith("memory: ") and "memory: " not in out
    assert "memory: " not in cli(*words).err
    with spawn(*words[:-1]) as process:
        assert "memory: " not in process.communicate()[1]
