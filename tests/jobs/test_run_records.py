"""The files that describe a run."""

import json
import platform

import jax

from slimtrain import __version__


def test_the_environment(run, small):
    env = json.loads((run / "env.json").read_text())
    assert set(env) == {
        *("slimtrain", "python", "jax", "jaxlib", "numpy", "optax", "backend", "device", "devices", "machine"),
        *("processor", "threads", "xla_flags", "seed", "command", "started"),
    }
    assert (env["slimtrain"], env["python"], env["jax"]) == (__version__, platform.python_version(), jax.__version__)
    assert (env["seed"], env["devices"], env["backend"]) == (3, jax.device_count(), "cpu")
    assert env["threads"] >= 1 and env["command"]


def test_the_plan(run):
    plan = json.loads((run / "plan.json").read_text())
    assert [(layer["name"], layer["op"], layer["line"]) for layer in plan] == [
        ("conv1", "conv2d", "small.yaml:15"),
        ("Flatten", "flatten", "small.yaml:16"),
        ("Dropout", "dropout", "small.yaml:17"),
        ("logits", "fully_connected", "small.yaml:18"),
    ]
    assert plan[0]["arguments"]["kernel_size"] == [3, 3]
    assert plan[0]["arguments"]["normalizer_fn"]["batch_norm"]["decay"] == 0.8
    assert plan[0]["arguments"]["weights_regularizer"] == {"l2": {"scale": 1e-4}}


def test_the_variables(run, cli):
    variables = json.loads((run / "variables.json").read_text())
    assert variables == json.loads(cli("inspect", run, "--json").out)["variables"]
    assert [v["name"] for v in variables if v["trainable"]] == [
        *("conv1/weights", "conv1/BatchNorm/gamma", "conv1/BatchNorm/beta", "logits/weights", "logits/biases"),
    ]


def test_the_configs(run, small):
    assert (run / "config.yaml").read_text() == small.read_text()
    resolved = (run / "resolved.yaml").read_text()
    assert f"train: {small.parent}/train.npz" in resolved and "# scope at small.yaml:13" in resolved
