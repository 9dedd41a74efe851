"""Makes the cases of this folder: nets that real TF-Slim computes, each beside the config that says the same.

The tests read what this wrote and never run it. By hand, in an environment of its own:

    python3.11 -m venv /tmp/tf
    /tmp/tf/bin/pip install tensorflow-cpu==2.12.1 tf-slim==1.1.0 'numpy<1.24' pyyaml
    /tmp/tf/bin/python tests/golden_more/make.py [CASE...]

A case is a function that builds its net with tf_slim, under `@case` with the config's text. Where the config says
nothing of losses, optimizer or steps, both sides take the same: softmax cross entropy, SGD of rate 0.1, 3 steps. What
is not the default is written twice, in YAML and in TensorFlow, and neither is made from the other. All is computed in
graph mode on the CPU, without graph rewriting. Files and keys are those of tests/golden: `eval/` and `train/` end
points, `*_reg` the regularization loss, `after1/` variables after one training pass with the update ops, `fit/` after
the steps.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
import yaml

HERE = Path(__file__).parent
HEAD = "seed: 0\ndata: {source: arrays, train: data.npz, batch_size: 4, shuffle: false}\n"
DEFAULTS = {
    "losses": "losses: [softmax_cross_entropy]\n",
    "optimizer": "optimizer: {sgd: {learning_rate: 0.1}}\n",
    "train": "train: {steps: 3}\n",
}
CLASSES = 3
COLLECTED = [slim.conv2d, slim.max_pool2d, slim.avg_pool2d, slim.fully_connected, slim.flatten, slim.batch_norm]
Fields = dict[str, Any]


def cross_entropy(logits: Any, fields: Fields) -> None:
    slim.losses.softmax_cross_entropy(logits, tf.one_hot(fields["label"], CLASSES))


class Case(NamedTuple):
    """The config, the net, and what of its training is not the default."""

    config: str
    build: Callable[[Any, Fields], Any]
    loss: Callable[[Any, Fields], None] = cross_entropy
    optimizer: Callable[[Any], Any] = lambda step: tf.train.GradientDescentOptimizer(0.1)
    train: Callable[[], dict[str, Any]] = dict
    data: Callable[[np.random.Generator], dict[str, np.ndarray]] = lambda rng: {}
    weights: dict[str, float] = {}  # ends of variable names: one value instead of drawn ones


CASES: dict[str, Case] = {}


def case(config: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a net under its function's name. `more` are fields of Case."""

    def register(build: Callable[..., Any]) -> Callable[..., Any]:
        CASES[build.__name__] = Case(config.lstrip("\n"), build, **more)
        return build

    return register


def logits(net: Any) -> Any:
    return slim.fully_connected(slim.flatten(net), CLASSES, activation_fn=None, scope="logits")


# ---------------------------------------------------------------- arg scopes, names


@case("""
model:
  input: {shape: [6, 6, 2]}
  arg_scope:
  - {ops: [conv2d, fully_connected], weights_regularizer: {l2: 0.02}, activation_fn: tanh}
  - {ops: conv2d, kernel_size: 3, normalizer_fn: batch_norm, normalizer_params: {scale: true, decay: 0.8}}
  - {ops: batch_norm, epsilon: 0.05, decay: 0.5}
  layers:
  - conv2d: {num_outputs: 4, scope: outer}
  - arg_scope:
    - {ops: conv2d, normalizer_params: {center: false}, activation_fn: relu}
    - {ops: [batch_norm], epsilon: 0.2}
    layers:
    - conv2d: {num_outputs: 4, scope: middle}
    - arg_scope: {ops: [conv2d], weights_regularizer: null, normalizer_fn: null, stride: 2}
      layers:
      - conv2d: {num_outputs: 4, scope: inner}
      - conv2d: {num_outputs: 3, kernel_size: [1, 2], stride: 1, activation_fn: null, scope: called}
    - conv2d: {num_outputs: 3, normalizer_params: null, scope: back}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def scopes_three_deep(net, fields):
    decay = {"normalizer_fn": slim.batch_norm, "normalizer_params": {"scale": True, "decay": 0.8}}
    both = [slim.conv2d, slim.fully_connected]
    with slim.arg_scope(both, weights_regularizer=slim.l2_regularizer(0.02), activation_fn=tf.nn.tanh):
        with (
            slim.arg_scope([slim.conv2d], kernel_size=3, **decay),
            slim.arg_scope([slim.batch_norm], epsilon=0.05, decay=0.5),
        ):
            net = slim.conv2d(net, 4, scope="outer")
            with slim.arg_scope([slim.conv2d], normalizer_params={"center": False}, activation_fn=tf.nn.relu):
                with slim.arg_scope([slim.batch_norm], epsilon=0.2):
                    net = slim.conv2d(net, 4, scope="middle")
                    with slim.arg_scope([slim.conv2d], weights_regularizer=None, normalizer_fn=None, stride=2):
                        net = slim.conv2d(net, 4, scope="inner")
                        net = slim.conv2d(net, 3, kernel_size=[1, 2], stride=1, activation_fn=None, scope="called")
                    net = slim.conv2d(net, 3, normalizer_params=None, scope="back")
            return logits(net)


@case("""
model:
  input: {shape: [6, 6, 2]}
  arg_scope:
  - {ops: [conv2d, fully_connected], weights_regularizer: {l2: 0.1}, biases_initializer: null}
  - {ops: [conv2d], activation_fn: tanh, padding: VALID}
  layers:
  - conv2d: {num_outputs: 4, kernel_size: 3, scope: before}
  - arg_scope:
    - {clear: true}
    - {ops: [conv2d], kernel_size: 2, stride: 2}
    - {ops: [max_pool2d], stride: 1, padding: SAME}
    layers:
    - conv2d: {num_outputs: 4, scope: captured}
    - max_pool2d: {kernel_size: 2, scope: pool}
    - arg_scope: {ops: [conv2d], stride: 1}
      layers:
      - conv2d: {num_outputs: 5, scope: deeper}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def scopes_captured(net, fields):
    def captured():
        with slim.arg_scope([slim.conv2d], kernel_size=2, stride=2):
            with slim.arg_scope([slim.max_pool2d], stride=1, padding="SAME") as scope:
                return scope

    made = captured()  # before the scopes below: entering it later drops them
    both = [slim.conv2d, slim.fully_connected]
    with slim.arg_scope(both, weights_regularizer=slim.l2_regularizer(0.1), biases_initializer=None):
        with slim.arg_scope([slim.conv2d], activation_fn=tf.nn.tanh, padding="VALID"):
            net = slim.conv2d(net, 4, 3, scope="before")
            with slim.arg_scope(made):
                net = slim.conv2d(net, 4, scope="captured")
                net = slim.max_pool2d(net, 2, scope="pool")
                with slim.arg_scope([slim.conv2d], stride=1):
                    net = slim.conv2d(net, 5, scope="deeper")
            return logits(net)


@case("""
model:
  input: {shape: [5, 5, 2]}
  scope: Net
  layers:
  - conv2d: {num_outputs: 2, kernel_size: 3}
  - conv2d: {num_outputs: 2, kernel_size: 1, scope: Conv_2}
  - conv2d: {num_outputs: 2, kernel_size: 1}
  - conv2d: {num_outputs: 2, kernel_size: 1}
  - scope: body
    layers:
    - conv2d: {num_outputs: 3, kernel_size: 3, scope: Conv_1}
    - conv2d: {num_outputs: 3, kernel_size: 1}
    - conv2d: {num_outputs: 3, kernel_size: 1}
    - scope: unit
      layers:
      - conv2d: {num_outputs: 2, kernel_size: 3, weights_regularizer: {l2: 0.1}}
      - conv2d: {num_outputs: 2, kernel_size: 1, scope: out}
  - scope: body
    reuse: true
    layers:
    - conv2d: {num_outputs: 3, kernel_size: 3, scope: Conv_1}
    - conv2d: {num_outputs: 3, kernel_size: 1}
    - conv2d: {num_outputs: 3, kernel_size: 1}
    - scope: unit
      layers:
      - conv2d: {num_outputs: 2, kernel_size: 3, weights_regularizer: {l2: 0.1}}
      - conv2d: {num_outputs: 2, kernel_size: 1, scope: out}
  - conv2d: {num_outputs: 2, kernel_size: 1}
  - flatten
  - fully_connected: {num_outputs: 4, scope: fc}
  - fully_connected: {num_outputs: 4}
  - fully_connected: {num_outputs: 3, activation_fn: null}
""")
def names_and_reuse(net, fields):
    def body(net, reuse=None):
        with tf.variable_scope("body", reuse=reuse):
            net = slim.conv2d(net, 3, 3, scope="Conv_1")
            net = slim.conv2d(net, 3, 1)
            net = slim.conv2d(net, 3, 1)
            with tf.variable_scope("unit"):
                net = slim.conv2d(net, 2, 3, weights_regularizer=slim.l2_regularizer(0.1))
                return slim.conv2d(net, 2, 1, scope="out")

    with tf.variable_scope("Net"):
        net = slim.conv2d(net, 2, 3)
        net = slim.conv2d(net, 2, 1, scope="Conv_2")
        net = slim.conv2d(net, 2, 1)
        net = slim.conv2d(net, 2, 1)
        net = body(body(net), reuse=True)
        net = slim.conv2d(net, 2, 1)
        net = slim.fully_connected(slim.flatten(net), 4, scope="fc")
        return slim.fully_connected(slim.fully_connected(net, 4), CLASSES, activation_fn=None)


# ---------------------------------------------------------------- convolutions, pools, activations


@case("""
model:
  input: {shape: [2, 7, 9]}
  arg_scope: {ops: [conv2d], data_format: NCHW}
  layers:
  - conv2d: {num_outputs: 4, kernel_size: 3, stride: 2, padding: VALID, scope: conv1}
  - conv2d: {num_outputs: 3, kernel_size: [2, 3], activation_fn: null, scope: conv2}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def conv_nchw_stride_valid(net, fields):
    with slim.arg_scope([slim.conv2d], data_format="NCHW"):
        net = slim.conv2d(net, 4, 3, stride=2, padding="VALID", scope="conv1")
        return logits(slim.conv2d(net, 3, [2, 3], activation_fn=None, scope="conv2"))


@case("""
model:
  input: {shape: [7, 9, 2]}
  layers:
  - conv2d: {num_outputs: 4, kernel_size: [4, 3], stride: 2, scope: conv1}
  - conv2d: {num_outputs: 3, kernel_size: [1, 2], stride: [3, 2], scope: conv2}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def conv_stride_same(net, fields):
    net = slim.conv2d(net, 4, [4, 3], stride=2, scope="conv1")
    return logits(slim.conv2d(net, 3, [1, 2], stride=[3, 2], scope="conv2"))


@case("""
model:
  input: {shape: [9, 8, 2]}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, rate: 3, scope: conv1}
  - conv2d: {num_outputs: 2, kernel_size: [2, 3], rate: [1, 2], padding: VALID, scope: conv2}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def conv_rate_same(net, fields):
    net = slim.conv2d(net, 3, 3, rate=3, scope="conv1")
    return logits(slim.conv2d(net, 2, [2, 3], rate=[1, 2], padding="VALID", scope="conv2"))


@case("""
model:
  input: {shape: [7, 9, 2]}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, scope: conv1}
  - avg_pool2d: {kernel_size: 2, padding: SAME, scope: pool1}
  - avg_pool2d: {kernel_size: [3, 2], stride: [2, 3], padding: SAME}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def avg_pool_same_odd(net, fields):
    net = slim.conv2d(net, 3, 3, scope="conv1")
    net = slim.avg_pool2d(net, 2, padding="SAME", scope="pool1")
    return logits(slim.avg_pool2d(net, [3, 2], stride=[2, 3], padding="SAME"))


def one_of_two(rng):
    """Pixels (1, 0), (0, 1) or (0, 0), channels first: under equal weights the first two tie, with other gradients."""
    chosen = rng.integers(0, 3, (4, 6, 7))
    return {"image": np.stack([chosen == 0, chosen == 1], 1).astype(np.float32)}


TIES = """
model:
  input: {{shape: {shape}}}
  arg_scope: {{ops: [conv2d, max_pool2d], data_format: {data_format}}}
  layers:
  - conv2d: {{num_outputs: 3, kernel_size: 1, activation_fn: tanh, scope: conv1}}
  - max_pool2d: {{kernel_size: 3, stride: 2, scope: pool1}}
  - max_pool2d: {{kernel_size: 2, stride: 1, padding: SAME, scope: pool2}}
  - flatten
  - fully_connected: {{num_outputs: 3, activation_fn: null, scope: logits}}
train: {{steps: 1}}
"""


@case(
    TIES.format(shape=[6, 7, 2], data_format="NHWC"),
    data=lambda rng: {"image": one_of_two(rng)["image"].transpose(0, 2, 3, 1)},
    weights={"conv1/weights": 0.5},
)
def max_pool_ties(net, fields):
    net = slim.conv2d(net, 3, 1, activation_fn=tf.nn.tanh, scope="conv1")
    net = slim.max_pool2d(net, 3, stride=2, scope="pool1")
    return logits(slim.max_pool2d(net, 2, stride=1, padding="SAME", scope="pool2"))


@case(TIES.format(shape=[2, 6, 7], data_format="NCHW"), data=one_of_two, weights={"conv1/weights": 0.5})
def max_pool_ties_nchw(net, fields):
    net = slim.conv2d(net, 3, 1, activation_fn=tf.nn.tanh, data_format="NCHW", scope="conv1")
    net = pool_nchw(net, 3, stride=2, scope="pool1")
    return logits(pool_nchw(net, 2, stride=1, padding="SAME", scope="pool2"))


def pool_nchw(net, *size, scope, **more):
    """max_pool2d of NCHW between two transposes: TF 2.12's own on the CPU, by oneDNN, mixes up channels in this net."""
    net = slim.max_pool2d(tf.transpose(net, [0, 2, 3, 1]), *size, outputs_collections=None, **more)
    return slim.utils.collect_named_outputs("end_points", scope, tf.transpose(net, [0, 3, 1, 2]))


ACTIVATIONS = """
model:
  input: {{shape: [4, 4, {channels}]}}
  arg_scope: {{ops: conv2d, num_outputs: 2, kernel_size: 1}}
  layers:
  - concat:
      branches:
      - {{conv2d: {{activation_fn: relu, scope: relu}}}}
      - {{conv2d: {{activation_fn: relu6, scope: relu6}}}}
      - {{conv2d: {{activation_fn: elu, scope: elu}}}}
      - {{conv2d: {{activation_fn: selu, scope: selu}}}}
      - {{conv2d: {{activation_fn: sigmoid, scope: sigmoid}}}}
      - {{conv2d: {{activation_fn: tanh, scope: tanh}}}}
      - {{conv2d: {{activation_fn: softplus, scope: softplus}}}}
      - {{conv2d: {{activation_fn: softsign, scope: softsign}}}}
      - {{conv2d: {{activation_fn: leaky_relu, scope: leaky_relu}}}}
      - {{conv2d: {{activation_fn: swish, scope: swish}}}}
      - {{conv2d: {{activation_fn: gelu, scope: gelu}}}}
      - {{conv2d: {{activation_fn: softmax, scope: softmax}}}}
      - {{conv2d: {{activation_fn: null, scope: none}}}}
  - flatten
  - fully_connected: {{num_outputs: 3, activation_fn: null, scope: logits}}
optimizer: {{sgd: {{learning_rate: {rate}}}}}
train: {{steps: {steps}}}
"""


def activated(net):
    names = ("relu", "relu6", "elu", "selu", "sigmoid", "tanh", "softplus", "softsign")
    names += ("leaky_relu", "swish", "gelu", "softmax")
    functions = {**{name: getattr(tf.nn, name) for name in names if name != "gelu"}, "gelu": tf2_gelu, "none": None}
    branches = [slim.conv2d(net, 2, 1, activation_fn=functions[n], scope=n) for n in (*names, "none")]
    return logits(tf.concat(branches, -1))


@case(
    ACTIVATIONS.format(channels=2, rate=0.01, steps=3),
    data=lambda rng: {"image": 4 * rng.standard_normal((4, 4, 4, 2)).astype(np.float32)},
    optimizer=lambda step: tf.train.GradientDescentOptimizer(0.01),
)
def activations(net, fields):
    return activated(net)


# Inputs of exactly 0 and 6 are no rarity: zero biases over a black background. TF's gradients there are one-sided.
@case(
    ACTIVATIONS.format(channels=1, rate=1.0, steps=1),
    data=lambda rng: {"image": 6 * rng.integers(0, 2, (4, 4, 4, 1)).astype(np.float32)},
    optimizer=lambda step: tf.train.GradientDescentOptimizer(1.0),
    weights={"/biases": 0.0, "relu6/weights": 1.0},
)
def activations_at_corners(net, fields):
    return activated(net)


def tf2_gelu(inputs):
    """tf.nn.gelu as TensorFlow 2 has it (exact unless asked otherwise); compat.v1 has none."""
    from tensorflow import nn

    return nn.gelu(inputs)


# ---------------------------------------------------------------- batch norm


@case("""
model:
  input: {shape: [5]}
  arg_scope: {ops: [batch_norm], updates_collections: null, decay: 0.8, scale: true}
  layers:
  - fully_connected: {num_outputs: 4, normalizer_fn: batch_norm, scope: fc1}
  - fully_connected: {num_outputs: 4, activation_fn: null, scope: fc2}
  - batch_norm: {activation_fn: tanh}
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def bn_rank2_in_place(net, fields):
    with slim.arg_scope([slim.batch_norm], updates_collections=None, decay=0.8, scale=True):
        net = slim.fully_connected(net, 4, normalizer_fn=slim.batch_norm, scope="fc1")
        net = slim.fully_connected(net, 4, activation_fn=None, scope="fc2")
        net = slim.batch_norm(net, activation_fn=tf.nn.tanh)
        return slim.fully_connected(net, CLASSES, activation_fn=None, scope="logits")


@case("""
model:
  input: {shape: [5, 4, 2]}
  arg_scope: {ops: [conv2d], kernel_size: 3, normalizer_fn: batch_norm}
  layers:
  - arg_scope: {ops: [batch_norm], updates_collections: first, decay: 0.7}
    layers:
    - conv2d: {num_outputs: 3, scope: conv1}
    - conv2d: {num_outputs: 3, normalizer_params: {updates_collections: [second, third]}, scope: conv2}
  - conv2d: {num_outputs: 3, scope: conv3}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 3, update_ops: [first, third]}
""")
def bn_custom_collections(net, fields):
    with slim.arg_scope([slim.conv2d], kernel_size=3, normalizer_fn=slim.batch_norm):
        with slim.arg_scope([slim.batch_norm], updates_collections="first", decay=0.7):
            net = slim.conv2d(net, 3, scope="conv1")
            params = {"updates_collections": ["second", "third"]}
            net = slim.conv2d(net, 3, normalizer_params=params, scope="conv2")
        return logits(slim.conv2d(net, 3, scope="conv3"))


@case("""
model:
  input: {shape: [5, 4, 2]}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, normalizer_fn: batch_norm, scope: conv1}
  - conv2d:
      num_outputs: 3
      kernel_size: 3
      normalizer_fn: batch_norm
      normalizer_params: {updates_collections: null, decay: 0.9}
      scope: conv2
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 3, update_ops: []}
""")
def bn_no_update_ops(net, fields):
    net = slim.conv2d(net, 3, 3, normalizer_fn=slim.batch_norm, scope="conv1")
    params = {"updates_collections": None, "decay": 0.9}
    return logits(slim.conv2d(net, 3, 3, normalizer_fn=slim.batch_norm, normalizer_params=params, scope="conv2"))


@case(
    """
model:
  input: {shape: [5, 4, 2]}
  arg_scope:
    ops: [batch_norm]
    scale: true
    decay: 0.9
    renorm: true
    renorm_decay: 0.8
    renorm_clipping: {rmax: 1.5, rmin: 0.7, dmax: 0.3}
  layers:
  - conv2d: {num_outputs: 6, kernel_size: 3, normalizer_fn: batch_norm, scope: conv1}
  - batch_norm: {center: false, activation_fn: tanh, scope: bn}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 8}
""",
    weights={"bn/renorm_stddev": 0.3},
)
def bn_renorm_clipped(net, fields):
    clipping = {"rmax": 1.5, "rmin": 0.7, "dmax": 0.3}
    renorm = {"renorm": True, "renorm_decay": 0.8, "renorm_clipping": clipping}
    with slim.arg_scope([slim.batch_norm], scale=True, decay=0.9, **renorm):
        net = slim.conv2d(net, 6, 3, normalizer_fn=slim.batch_norm, scope="conv1")
        return logits(slim.batch_norm(net, center=False, activation_fn=tf.nn.tanh, scope="bn"))


@case("""
model:
  input: {shape: [5]}
  scope: Net
  arg_scope: {ops: [batch_norm], zero_debias_moving_mean: true, decay: 0.8}
  layers:
  - fully_connected: {num_outputs: 4, normalizer_fn: batch_norm, scope: fc1}
  - batch_norm: {updates_collections: null, scale: true}
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 4}
""")
def bn_zero_debias_rank2(net, fields):
    with tf.variable_scope("Net"), slim.arg_scope([slim.batch_norm], zero_debias_moving_mean=True, decay=0.8):
        net = slim.fully_connected(net, 4, normalizer_fn=slim.batch_norm, scope="fc1")
        net = slim.batch_norm(net, updates_collections=None, scale=True)
        return slim.fully_connected(net, CLASSES, activation_fn=None, scope="logits")


@case(
    """
model:
  input: {shape: [4, 5, 2]}
  arg_scope: {ops: [batch_norm], batch_weights: weights, decay: 0.8, scale: true}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, normalizer_fn: batch_norm, scope: conv1}
  - flatten
  - fully_connected:
      num_outputs: 4
      normalizer_fn: batch_norm
      normalizer_params: {zero_debias_moving_mean: true}
      scope: fc1
  - batch_norm: {updates_collections: null, scale: false}
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""",
    data=lambda rng: {"weights": np.array([0.5, 2.0, 0.0, 1.25], np.float32)},
)
def bn_batch_weights(net, fields):
    with slim.arg_scope([slim.batch_norm], batch_weights=fields["weights"], decay=0.8, scale=True):
        net = slim.flatten(slim.conv2d(net, 3, 3, normalizer_fn=slim.batch_norm, scope="conv1"))
        params = {"zero_debias_moving_mean": True}
        net = slim.fully_connected(net, 4, normalizer_fn=slim.batch_norm, normalizer_params=params, scope="fc1")
        net = slim.batch_norm(net, updates_collections=None, scale=False)
        return slim.fully_connected(net, CLASSES, activation_fn=None, scope="logits")


@case("""
model:
  input: {shape: [4, 5, 2]}
  arg_scope:
    ops: [batch_norm]
    scale: true
    decay: 0.9
    param_initializers: {beta: {constant: 0.5}, moving_mean: ones, moving_variance: {constant: 2.0}}
    param_regularizers: {gamma: {l2: 0.1}, beta: {l1: 0.05}}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, normalizer_fn: batch_norm, scope: conv1}
  - batch_norm: {center: false, scope: bn}
  - flatten
  - fully_connected: {num_outputs: 4, normalizer_fn: batch_norm, scope: fc1}
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def bn_param_arguments(net, fields):
    const = tf.constant_initializer
    starts = {"beta": const(0.5), "moving_mean": tf.ones_initializer(), "moving_variance": const(2.0)}
    penalties = {"gamma": slim.l2_regularizer(0.1), "beta": slim.l1_regularizer(0.05)}
    params = {"param_initializers": starts, "param_regularizers": penalties}
    with slim.arg_scope([slim.batch_norm], scale=True, decay=0.9, **params):
        net = slim.conv2d(net, 3, 3, normalizer_fn=slim.batch_norm, scope="conv1")
        net = slim.flatten(slim.batch_norm(net, center=False, scope="bn"))
        net = slim.fully_connected(net, 4, normalizer_fn=slim.batch_norm, scope="fc1")
        return slim.fully_connected(net, CLASSES, activation_fn=None, scope="logits")


@case("""
model:
  input: {shape: [4, 5, 2]}
  arg_scope: {ops: [batch_norm], decay: 0.8, scale: true}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, activation_fn: null, scope: conv1}
  - batch_norm: {fused: false, updates_collections: mine, scope: plain}
  - batch_norm: {fused: false, zero_debias_moving_mean: true, scope: plain_debiased}
  - batch_norm: {zero_debias_moving_mean: true, updates_collections: null, scope: fused_debiased}
  - fully_connected: {num_outputs: 3, normalizer_fn: batch_norm, scope: fc1}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 3, update_ops: [mine, update_ops]}
""")
def bn_paths_rank4(net, fields):
    with slim.arg_scope([slim.batch_norm], decay=0.8, scale=True):
        net = slim.conv2d(net, 3, 3, activation_fn=None, scope="conv1")
        net = slim.batch_norm(net, fused=False, updates_collections="mine", scope="plain")
        net = slim.batch_norm(net, fused=False, zero_debias_moving_mean=True, scope="plain_debiased")
        net = slim.batch_norm(net, zero_debias_moving_mean=True, updates_collections=None, scope="fused_debiased")
        return logits(slim.fully_connected(net, 3, normalizer_fn=slim.batch_norm, scope="fc1"))


@case("""
model:
  input: {shape: [4, 3]}
  arg_scope: {ops: [batch_norm], decay: 0.8, scale: true}
  layers:
  - fully_connected: {num_outputs: 3, normalizer_fn: batch_norm, scope: fc1}
  - batch_norm: {updates_collections: null, scope: in_place}
  - batch_norm: {zero_debias_moving_mean: true, scope: debiased}
  - batch_norm: {renorm: true, renorm_decay: 0.7, scope: renorm}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def bn_paths_rank3(net, fields):
    with slim.arg_scope([slim.batch_norm], decay=0.8, scale=True):
        net = slim.fully_connected(net, 3, normalizer_fn=slim.batch_norm, scope="fc1")
        net = slim.batch_norm(net, updates_collections=None, scope="in_place")
        net = slim.batch_norm(net, zero_debias_moving_mean=True, scope="debiased")
        return logits(slim.batch_norm(net, renorm=True, renorm_decay=0.7, scope="renorm"))


@case(
    """
model:
  input: {shape: [3, 4, 5]}
  arg_scope: {ops: [batch_norm], decay: 0.8, scale: true, data_format: NCHW}
  layers:
  - batch_norm: {batch_weights: weights, scope: weighted}
  - batch_norm: {renorm: true, renorm_clipping: {dmax: 0.2}, scope: renorm}
  - batch_norm: {fused: false, scope: plain}
  - batch_norm: {zero_debias_moving_mean: true, scope: debiased}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""",
    data=lambda rng: {"weights": np.array([0.5, 2.0, 1.0, 1.25], np.float32)},
)
def bn_paths_nchw(net, fields):
    with slim.arg_scope([slim.batch_norm], decay=0.8, scale=True, data_format="NCHW"):
        net = slim.batch_norm(net, batch_weights=fields["weights"], scope="weighted")
        net = slim.batch_norm(net, renorm=True, renorm_clipping={"dmax": 0.2}, scope="renorm")
        net = slim.batch_norm(net, fused=False, scope="plain")
        return logits(slim.batch_norm(net, zero_debias_moving_mean=True, scope="debiased"))


SHARED = """
model:
  input: {{shape: [4, 5, 3]}}
  arg_scope:
  - {{ops: [conv2d], num_outputs: 3, kernel_size: 3, normalizer_fn: batch_norm, weights_regularizer: {{l2: 0.1}}}}
  - {{ops: [batch_norm], decay: {decay}}}
  layers:
  - conv2d: {{scope: shared}}
  - conv2d: {{scope: shared, reuse: true{second}}}
  - flatten
  - fully_connected: {{num_outputs: 3, activation_fn: null, scope: logits}}
"""


def shared(net, decay, params=None):
    regular = {"weights_regularizer": slim.l2_regularizer(0.1)}
    with slim.arg_scope([slim.conv2d], num_outputs=3, kernel_size=3, normalizer_fn=slim.batch_norm, **regular):
        with slim.arg_scope([slim.batch_norm], decay=decay):
            net = slim.conv2d(net, scope="shared")
            return logits(slim.conv2d(net, scope="shared", reuse=True, normalizer_params=params))


# TF leaves the order of the two updates open, so the moving statistics of a shared batch norm are only compared where
# no order matters: with a decay of 1 (nothing moves, but four ops are counted), without updates, with one of the two
# frozen.
@case(SHARED.format(decay=1.0, second=""))
def bn_shared(net, fields):
    return shared(net, 1.0)


@case(SHARED.format(decay=0.9, second="") + "train: {steps: 3, update_ops: []}\n")
def bn_shared_no_updates(net, fields):
    return shared(net, 0.9)


@case(SHARED.format(decay=0.9, second=", normalizer_params: {is_training: false}"))
def bn_shared_frozen_second(net, fields):
    return shared(net, 0.9, {"is_training": False})


# trainable: false on batch norm in training mode: TF's core layer (default updates_collections, rank 4) then registers
# no update ops, its fused path does (both seen on TF 2.12). slimtrain's rule is the latter's everywhere: `trainable` is
# about gamma and beta. So conv2 takes the fused path, and what the core layer leaves out is not compared.
@case("""
model:
  input: {shape: [4, 5, 2]}
  arg_scope: {ops: [conv2d], kernel_size: 3, normalizer_fn: batch_norm}
  layers:
  - conv2d: {num_outputs: 3, trainable: false, scope: conv1}
  - conv2d:
      num_outputs: 3
      trainable: false
      normalizer_params: {trainable: false, scale: true, updates_collections: frozen, decay: 0.9}
      scope: conv2
  - arg_scope: {ops: [batch_norm], trainable: false, is_training: false}
    layers:
    - batch_norm: {scope: bn}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 3, update_ops: [update_ops, frozen]}
""")
def trainable_false(net, fields):
    with slim.arg_scope([slim.conv2d], kernel_size=3, normalizer_fn=slim.batch_norm):
        net = slim.conv2d(net, 3, trainable=False, scope="conv1")
        params = {"trainable": False, "scale": True, "updates_collections": "frozen", "decay": 0.9}
        net = slim.conv2d(net, 3, trainable=False, normalizer_params=params, scope="conv2")
        with slim.arg_scope([slim.batch_norm], trainable=False, is_training=False):
            net = slim.batch_norm(net, scope="bn")
        return logits(net)


# ---------------------------------------------------------------- losses, regularizers


@case("""
model:
  input: {shape: [4, 5, 2]}
  arg_scope:
  - {ops: [conv2d, fully_connected], weights_regularizer: {l2: 0.05}, biases_regularizer: {l1: 0.02}}
  - {ops: [fully_connected], weights_regularizer: {l1_l2: {scale_l1: 0.01, scale_l2: 0.03}}}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, scope: conv1}
  - conv2d: {num_outputs: 3, kernel_size: 3, weights_regularizer: {l1: 0.03}, normalizer_fn: batch_norm, scope: conv2}
  - conv2d: {num_outputs: 3, kernel_size: 1, weights_regularizer: {l2: 0.0}, biases_regularizer: null, scope: conv3}
  - flatten
  - fully_connected: {num_outputs: 4, biases_regularizer: {l1_l2: {scale_l1: 0.0}}, scope: fc1}
  - fully_connected: {num_outputs: 3, activation_fn: null, biases_initializer: null, scope: logits}
""")
def regularizers(net, fields):
    both = [slim.conv2d, slim.fully_connected]
    l1, l2, l1_l2 = slim.l1_regularizer, slim.l2_regularizer, slim.l1_l2_regularizer
    with slim.arg_scope(both, weights_regularizer=l2(0.05), biases_regularizer=l1(0.02)):
        with slim.arg_scope([slim.fully_connected], weights_regularizer=l1_l2(0.01, 0.03)):
            net = slim.conv2d(net, 3, 3, scope="conv1")
            net = slim.conv2d(net, 3, 3, weights_regularizer=l1(0.03), normalizer_fn=slim.batch_norm, scope="conv2")
            net = slim.conv2d(net, 3, 1, weights_regularizer=l2(0.0), biases_regularizer=None, scope="conv3")
            net = slim.fully_connected(slim.flatten(net), 4, biases_regularizer=l1_l2(0.0), scope="fc1")
            return slim.fully_connected(net, CLASSES, activation_fn=None, biases_initializer=None, scope="logits")


PERCEPTRON = """
model:
  input: {{shape: [5]}}
  layers:
  - fully_connected: {{num_outputs: 4, activation_fn: tanh, scope: fc1}}
  - fully_connected: {{num_outputs: {outputs}, activation_fn: null, scope: logits}}
"""


def perceptron(net, outputs=CLASSES):
    net = slim.fully_connected(net, 4, activation_fn=tf.nn.tanh, scope="fc1")
    return slim.fully_connected(net, outputs, activation_fn=None, scope="logits")


def targets(rng):
    return {"label": rng.standard_normal((4, 2)).astype(np.float32)}


@case(
    PERCEPTRON.format(outputs=2) + "losses: [mean_squared_error]\n",
    data=targets,
    loss=lambda net, fields: slim.losses.mean_squared_error(net, fields["label"]),
)
def loss_mean_squared_error(net, fields):
    return perceptron(net, 2)


@case(
    PERCEPTRON.format(outputs=2) + "losses: [{absolute_difference: {weight: 2.0}}]\n",
    data=targets,
    loss=lambda net, fields: slim.losses.absolute_difference(net, fields["label"], weights=2.0),
)
def loss_absolute_difference(net, fields):
    return perceptron(net, 2)


@case(
    PERCEPTRON.format(outputs=3) + "losses: [sparse_softmax_cross_entropy]\n",
    loss=lambda net, fields: slim.losses.sparse_softmax_cross_entropy(net, fields["label"]),
)
def loss_sparse_softmax(net, fields):
    return perceptron(net)


@case(
    PERCEPTRON.format(outputs=3) + "losses: [{softmax_cross_entropy: {label_smoothing: 0.2}}]\n",
    loss=lambda net, fields: slim.losses.softmax_cross_entropy(
        net, tf.one_hot(fields["label"], 3), label_smoothing=0.2
    ),
)
def loss_label_smoothing(net, fields):
    return perceptron(net)


@case(
    PERCEPTRON.format(outputs=3) + "losses: [{sparse_softmax_cross_entropy: {class_weights: [0.5, 0.0, 3.0]}}]\n",
    loss=lambda net, fields: slim.losses.sparse_softmax_cross_entropy(
        net, fields["label"], weights=tf.gather([0.5, 0.0, 3.0], fields["label"])
    ),
)
def loss_class_weights(net, fields):
    return perceptron(net)


def weighted_sum(net, fields):
    slim.losses.softmax_cross_entropy(net, tf.one_hot(fields["label"], CLASSES), weights=0.7)
    slim.losses.mean_squared_error(fields["aux"], fields["target"], weights=0.3)


@case(
    """
model:
  input: {shape: [5]}
  arg_scope: {ops: [fully_connected], weights_regularizer: {l2: 0.01}}
  layers:
  - fully_connected: {num_outputs: 4, scope: fc1}
  - tap:
      layers:
      - fully_connected: {num_outputs: 2, activation_fn: null, scope: aux}
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
losses:
- softmax_cross_entropy: {weight: 0.7}
- mean_squared_error: {predictions: aux, labels: target, weight: 0.3}
""",
    data=lambda rng: {"target": rng.standard_normal((4, 2)).astype(np.float32)},
    loss=weighted_sum,
)
def loss_two_weighted(net, fields):
    with slim.arg_scope([slim.fully_connected], weights_regularizer=slim.l2_regularizer(0.01)):
        net = slim.fully_connected(net, 4, scope="fc1")
        fields["aux"] = slim.fully_connected(net, 2, activation_fn=None, scope="aux")
        return slim.fully_connected(net, CLASSES, activation_fn=None, scope="logits")


# ---------------------------------------------------------------- optimizers, schedules, create_train_op


def trained(name: str, optimizer: str, steps: int, make: Callable[[Any], Any]) -> None:
    """A case on the perceptron whose only point is its optimizer."""
    config = PERCEPTRON.format(outputs=3) + f"optimizer:\n  {optimizer}\ntrain: {{steps: {steps}}}\n"
    CASES[name] = Case(config.lstrip("\n"), lambda net, fields: perceptron(net), optimizer=make)


def scheduled(name: str, schedule: str, make: Callable[[Any], Any]) -> None:
    """A case on the perceptron whose only point is its learning rate: six steps of SGD."""
    optimizer = f"sgd: {{learning_rate: {schedule}}}"
    trained(name, optimizer, 6, lambda step: tf.train.GradientDescentOptimizer(make(step)))


trained(
    "optimizer_nesterov",
    "momentum: {learning_rate: 0.1, momentum: 0.8, use_nesterov: true}",
    5,
    lambda step: tf.train.MomentumOptimizer(0.1, 0.8, use_nesterov=True),
)
trained(
    "optimizer_rmsprop_centered",
    "rmsprop: {learning_rate: 0.02, decay: 0.8, momentum: 0.7, epsilon: 0.001, centered: true}",
    5,
    lambda step: tf.train.RMSPropOptimizer(0.02, 0.8, 0.7, 0.001, centered=True),
)
trained(
    "optimizer_adam_epsilon",
    "adam: {learning_rate: 0.05, beta1: 0.8, epsilon: 0.1}",
    5,
    lambda step: tf.train.AdamOptimizer(0.05, beta1=0.8, epsilon=0.1),
)
trained(
    "optimizer_adam_scheduled",
    "adam: {learning_rate: {exponential_decay: {initial: 0.05, decay_steps: 2, decay_rate: 0.5}}, beta2: 0.9}",
    5,
    lambda step: tf.train.AdamOptimizer(tf.train.exponential_decay(0.05, step, 2, 0.5), beta2=0.9),
)
trained(
    "optimizer_momentum_scheduled",
    "momentum: {learning_rate: {piecewise_constant: {boundaries: [1, 3], values: [0.2, 0.1, 0.02]}}, momentum: 0.9}",
    5,
    lambda step: tf.train.MomentumOptimizer(tf.train.piecewise_constant(step, [1, 3], [0.2, 0.1, 0.02]), 0.9),
)
trained(
    "optimizer_rmsprop_scheduled",
    "rmsprop: {learning_rate: {polynomial_decay: {initial: 0.05, decay_steps: 4}}, momentum: 0.9}",
    5,
    lambda step: tf.train.RMSPropOptimizer(tf.train.polynomial_decay(0.05, step, 4), momentum=0.9),
)
scheduled(
    "lr_polynomial",
    "{polynomial_decay: {initial: 0.5, decay_steps: 4, end_learning_rate: 0.05, power: 2.0}}",
    lambda step: tf.train.polynomial_decay(0.5, step, 4, 0.05, power=2.0),
)
scheduled(
    "lr_polynomial_cycle",
    "{polynomial_decay: {initial: 0.5, decay_steps: 2, end_learning_rate: 0.05, power: 2.0, cycle: true}}",
    lambda step: tf.train.polynomial_decay(0.5, step, 2, 0.05, power=2.0, cycle=True),
)
scheduled(
    "lr_piecewise",
    "{piecewise_constant: {boundaries: [1, 2, 4], values: [0.5, 0.1, 0.3, 0.02]}}",
    lambda step: tf.train.piecewise_constant(step, [1, 2, 4], [0.5, 0.1, 0.3, 0.02]),
)
scheduled(
    "lr_cosine",
    "{cosine_decay: {initial: 0.5, decay_steps: 4, alpha: 0.1}}",
    lambda step: tf.train.cosine_decay(0.5, step, 4, alpha=0.1),
)
scheduled(
    "lr_exponential_smooth",
    "{exponential_decay: {initial: 0.5, decay_steps: 3, decay_rate: 0.4}}",
    lambda step: tf.train.exponential_decay(0.5, step, 3, 0.4),
)


def clip_multiply_some():
    return {
        "clip_gradient_norm": 0.4,
        "gradient_multipliers": {"logits/weights": 2.0, "logits/biases": 2.0, "conv2/weights": 0.1},
        "variables_to_train": slim.get_trainable_variables("logits/") + slim.get_trainable_variables("conv2/"),
    }


@case(
    """
model:
  input: {shape: [5, 4, 2]}
  arg_scope: {ops: [conv2d, fully_connected], weights_regularizer: {l2: 0.05}}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, normalizer_fn: batch_norm, scope: conv1}
  - conv2d: {num_outputs: 3, kernel_size: 3, normalizer_fn: batch_norm, scope: conv2}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
optimizer: {momentum: {learning_rate: 0.2, momentum: 0.9}}
train:
  steps: 4
  clip_gradient_norm: 0.4
  gradient_multipliers: {logits: 2.0, conv2/weights: 0.1}
  variables_to_train: [logits, conv2]
""",
    optimizer=lambda step: tf.train.MomentumOptimizer(0.2, 0.9),
    train=clip_multiply_some,
)
def clip_multipliers_and_some(net, fields):
    both = [slim.conv2d, slim.fully_connected]
    with slim.arg_scope(both, weights_regularizer=slim.l2_regularizer(0.05)):
        net = slim.conv2d(net, 3, 3, normalizer_fn=slim.batch_norm, scope="conv1")
        return logits(slim.conv2d(net, 3, 3, normalizer_fn=slim.batch_norm, scope="conv2"))


# ---------------------------------------------------------------- what is computed of a case


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
        with slim.arg_scope([slim.batch_norm], is_training=training):
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
