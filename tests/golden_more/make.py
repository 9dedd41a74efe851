"""Makes the cases of this folder: nets that real TF-Slim computes, each beside the config that says the same.

The tests read what this wrote and never run it. By hand, in an environment of its own:

    python3.11 -m venv /tmp/tf
    /tmp/tf/bin/pip install tensorflow-cpu==2.12.1 tf-slim==1.1.0 'numpy<1.24' pyyaml
    /tmp/tf/bin/python tests/golden_more/make.py [CASE...]

The other files here hold the cases by theme; cases.py says what a case is. A case is a function that builds its net
with tf_slim, under `@case` with the config's text. Where the config says
nothing of losses, optimizer or steps, both sides take the same: softmax cross entropy, SGD of rate 0.1, 3 steps. What
is not the default is written twice, in YAML and in TensorFlow, and neither is made from the other. All is computed in
graph mode on the CPU, without graph rewriting. Files and keys are those of tests/golden: `eval/` and `train/` end
points, `*_reg` the regularization loss, `after1/` variables after one training pass with the update ops, `fit/` after
the steps.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # without it there is no NCHW convolution on the CPU

import batch_norm
import convolutions
import losses
import numpy as np
import ops
import optimizers
import scopes
import tensorflow.compat.v1 as tf
import tf_slim as slim
import yaml
from cases import CASES, CLASSES, Case, Fields

HERE = Path(__file__).parent
HEAD = "seed: 0\ndata: {source: arrays, train: data.npz, batch_size: 4, shuffle: false}\n"
DEFAULTS = {
    "losses": "losses: [softmax_cross_entropy]\n",
    "optimizer": "optimizer: {sgd: {learning_rate: 0.1}}\n",
    "train": "train: {steps: 3}\n",
}
THEMES = (scopes, convolutions, batch_norm, ops, losses, optimizers)
COLLECTED = [
    *(slim.conv1d, slim.conv2d, slim.conv3d, slim.conv2d_transpose, slim.conv3d_transpose),
    *(slim.conv2d_in_plane, slim.separable_conv2d, slim.fully_connected, slim.flatten, slim.dropout),
    *(slim.max_pool2d, slim.avg_pool2d, slim.max_pool3d, slim.avg_pool3d, slim.pool),
    *(slim.batch_norm, slim.layer_norm, slim.instance_norm, slim.group_norm, slim.bias_add),
]


class Built(NamedTuple):
    """A case's graph in one mode. `fields` are placeholders; `points` the end points by name."""

    session: Any
    fields: Fields
    output: Any
    points: dict[str, Any]
    variables: dict[str, Any]
    training: bool


def examples(name: str, found: Case, shape: list[int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(crc32(name.encode()))
    image = rng.standard_normal((4, *shape)).astype(np.float32)
    return {"image": image, "label": rng.integers(0, CLASSES, 4).astype(np.int32), **found.data(rng)}


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values of one variable, the same for the same name and shape; those that are 1 or above 0 by meaning are so."""
    rng = np.random.default_rng(crc32(f"{name} {shape}".encode()))
    kind = name.rpartition("/")[2]
    if kind == "local_step":
        return np.full((), 2.0, np.float32)
    if kind in ("gamma", "moving_variance", "moving_stddev", "renorm_stddev"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    scale = 1.0 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.4
    return np.asarray(scale * rng.standard_normal(shape), np.float32)


def built(found: Case, data: dict[str, np.ndarray], training: bool) -> Built:
    """The case in a fresh graph; what TF-Slim collects under `outputs_collections` are the end points."""
    fields: Fields = {n: tf.placeholder(v.dtype, v.shape, n) for n, v in data.items()}
    given = dict(fields)
    with slim.arg_scope(COLLECTED, outputs_collections="end_points"):
        with slim.arg_scope([slim.batch_norm], is_training=training) as outer:
            fields["outer"] = outer  # to enter where a config says `clear`, which leaves mode and end points alone
            output = found.build(fields["image"], fields)
    found.loss(output, fields)
    points = slim.utils.convert_collection_to_dict("end_points")
    variables = {v.op.name: v for v in tf.global_variables()}
    return Built(session(), given, output, {**points, "__output__": output}, variables, training)


def session() -> Any:
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    return tf.Session(config=config)


def start(found: Case, net: Built) -> dict[str, np.ndarray]:
    """Sets every variable of the net to its drawn or given values and returns them."""
    weights = {n: drawn(n, tuple(v.shape.as_list())) for n, v in net.variables.items()}
    for name, value in weights.items():
        value[...] = next((v for end, v in found.weights.items() if name.endswith(end)), value)
    net.session.run(tf.global_variables_initializer())
    for name, value in weights.items():
        net.variables[name].load(value, net.session)
    return weights


def passed(found: Case, net: Built, feed: dict[Any, Any], updates: list[Any]) -> dict[str, Any]:
    """One pass: end points and regularization loss, and in training every variable after it."""
    start(found, net)
    mode = "train" if net.training else "eval"
    penalty = tf.losses.get_regularization_loss()
    points, penalty, _ = net.session.run([net.points, penalty, updates if net.training else []], feed)
    said = {**{f"{mode}/{n}": v for n, v in points.items()}, f"{mode}_reg": penalty}
    if net.training:
        said |= {f"after1/{n}": v for n, v in net.session.run(net.variables).items()}
    return said


def fitted(found: Case, net: Built, feed: dict[Any, Any], updates: list[Any], steps: int) -> dict[str, Any]:
    """`steps` steps of TF-Slim's create_train_op."""
    optimizer = found.optimizer(tf.train.get_or_create_global_step())
    train_op = slim.learning.create_train_op(
        slim.losses.get_total_loss(), optimizer, update_ops=updates, **found.train()
    )
    start(found, net)
    losses = [net.session.run(train_op, feed) for _ in range(steps)]
    variables = net.session.run(net.variables)
    return {"fit_losses": np.array(losses, np.float32), **{f"fit/{n}": v for n, v in variables.items()}}


def make(name: str, found: Case) -> None:
    """Writes the four files of a case."""
    config = HEAD + found.config
    config += "".join(text for key, text in DEFAULTS.items() if f"\n{key}:" not in config)
    read = yaml.safe_load(config)
    data = examples(name, found, read["model"]["input"]["shape"])
    expected: dict[str, Any] = {}
    weights = {}
    for training in (False, True):
        with tf.Graph().as_default():
            net = built(found, data, training)
            weights = start(found, net)
            feed = {net.fields[n]: v for n, v in data.items()}
            names = read["train"].get("update_ops", ["update_ops"])
            updates = list(dict.fromkeys(op for one in names for op in tf.get_collection(one)))
            expected |= passed(found, net, feed, updates)
            if training:
                expected["n_update_ops"] = np.int32(len(updates))
                expected["trainable"] = json.dumps(sorted(v.op.name for v in tf.trainable_variables()))
                expected |= fitted(found, net, feed, updates, read["train"]["steps"])
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(config)
    for file, arrays in (("data", data), ("weights", weights), ("expected", expected)):
        np.savez_compressed(folder / f"{file}.npz", **arrays)
    print(f"{name}: losses {np.round(expected['fit_losses'], 4)}", flush=True)


if __name__ == "__main__":
    tf.disable_eager_execution()
    for wanted in sys.argv[1:] or CASES:
        make(wanted, CASES[wanted])
