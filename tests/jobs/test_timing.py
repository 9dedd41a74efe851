"""`time`: the keys, the sense of the numbers, and nets whose labels are not one class an example."""

import json
import re

import pytest

from slimtrain.jobs.timing import in_turns

KEYS = ["batch", "train_step_ms", "eval_step_ms", "compile_s", "device", "lowerings", "layers"]
MORE = ["threads", "train_step_flops", "train_step_gflops", "peak_gflops", "share_of_peak"]
MEMORY = ["peak_memory_bytes", "resident_memory_bytes"]


def test_steps_and_layers_are_timed(cli, small):
    done = cli("time", small, "--steps", 4, "--batch", 5, "--per-layer", "--json")
    told = json.loads(done.out)
    assert set(told) == {*KEYS, *MORE, *MEMORY}
    assert (told["batch"], told["device"], set(told["lowerings"])) == (5, "cpu", {"conv1"})
    for kind in ("train_step_ms", "eval_step_ms"):
        assert 0 < told[kind]["min"] <= told[kind]["median"]
    assert [(layer["name"], layer["op"]) for layer in told["layers"]] == [
        ("conv1", "conv2d"),
        ("Flatten", "flatten"),
        ("Dropout", "dropout"),
        ("logits", "fully_connected"),
    ]
    assert all(layer["forward_ms"] > 0 and layer["backward_ms"] >= 0 for layer in told["layers"])
    assert [layer["lowering"] for layer in told["layers"]] == [told["lowerings"]["conv1"], "", "", ""]


def test_rates_are_operations_by_times(cli, small):
    told = json.loads(cli("time", small, "--steps", 2, "--batch", 8, "--per-layer", "--json").out)
    forward = json.loads(cli("inspect", small, "--json").out)["flops"] * 8
    assert told["train_step_flops"] == 3 * forward
    assert told["train_step_gflops"] == pytest.approx(3e-6 * forward / told["train_step_ms"]["min"], rel=1e-3)
    assert told["share_of_peak"] == pytest.approx(told["train_step_gflops"] / told["peak_gflops"], rel=1e-3)
    assert sum(layer["flops"] for layer in told["layers"]) == forward
    for layer in told["layers"]:
        assert (layer["gflops"] > 0) == (layer["flops"] > 0) and layer["share_of_peak"] >= 0
    assert told["resident_memory_bytes"] > 50e6 and told["threads"] >= 1


def test_the_table(cli, small):
    lines = cli("time", small, "--steps", 1, "--per-layer").out.splitlines()
    assert [lines[0].split(), lines[2].split()[:2], lines[3].split()[:2]] == [
        ["min", "ms", "median", "ms"],
        ["train", "step"],
        ["eval", "step"],
    ]
    assert re.fullmatch(r"batch 16 on cpu, \d+ threads: [\d,]+ examples/s in training", lines[5])
    assert re.fullmatch(r"[\d.,]+ GFLOP/s in a train step, \d+% of the [\d.,]+ of a large float32 matrix .*", lines[6])
    assert re.fullmatch(r"compiled in [\d.]+ s; [\d.]+[kMG]B at the peak of a train step, .*B in the process", lines[7])
    assert re.split(r"  +", lines[9]) == [
        *("layer", "op", "lowering", "forward ms", "backward ms", "GFLOP/s", "of peak")
    ]
    assert lines[11].startswith("conv1    conv2d ") and lines[11].endswith("%")
    assert lines[12].split()[:2] == ["Flatten", "flatten"] and len(lines[12].split()) == 4


def test_functions_take_turns():
    calls: list[str] = []
    times = in_turns([lambda: calls.append("a"), lambda: calls.append("b")], 4)
    assert "".join(calls) == "aaaabbbbaabbaabb"
    assert len(times) == 2 and all(0 <= t["min"] <= t["median"] for t in times)
    calls.clear()
    in_turns([lambda: calls.append("a")], 1)
    assert "".join(calls) == "aaa"


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
