"""Cases of losses and regularizers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
from cases import CASES, CLASSES, PERCEPTRON, Case, case, perceptron


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


@case("""
model:
  input: {shape: [6, 6, 2]}
  arg_scope:
  - {ops: [conv2d, fully_connected], weights_regularizer: {sum: [{l1: 0.02}, {l2: 0.1}, {l2: 0.0}]}}
  - {ops: [conv2d], normalizer_fn: batch_norm, biases_regularizer: {sum: [{l1: 0.0}]}}
  - {ops: [batch_norm], param_regularizers: {gamma: {sum: [{l1: 0.1}, {l1_l2: {scale_l1: 0.0, scale_l2: 0.3}}]}}}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, stride: 2, normalizer_params: {scale: true}, scope: c1}
  - conv2d: {num_outputs: 3, kernel_size: 3, normalizer_fn: null, trainable: false, scope: c2}
  - conv2d: {num_outputs: 3, kernel_size: 3, normalizer_fn: null, scope: c2, reuse: true}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, biases_regularizer: {sum: [{l2: 0.5}]}, scope: logits}
""")
def regularizers_summed(net, fields):
    l1, l2, total = slim.l1_regularizer, slim.l2_regularizer, slim.sum_regularizer
    both = [slim.conv2d, slim.fully_connected]
    gamma = total([l1(0.1), slim.l1_l2_regularizer(0.0, 0.3)])
    with (
        slim.arg_scope(both, weights_regularizer=total([l1(0.02), l2(0.1), l2(0.0)])),
        slim.arg_scope([slim.conv2d], normalizer_fn=slim.batch_norm, biases_regularizer=total([l1(0.0)])),
        slim.arg_scope([slim.batch_norm], param_regularizers={"gamma": gamma}),
    ):
        net = slim.conv2d(net, 3, 3, stride=2, normalizer_params={"scale": True}, scope="c1")
        net = slim.conv2d(net, 3, 3, normalizer_fn=None, trainable=False, scope="c2")
        net = slim.conv2d(net, 3, 3, normalizer_fn=None, scope="c2", reuse=True)
        net = slim.flatten(net)
        penalty = total([l2(0.5)])
        return slim.fully_connected(net, CLASSES, activation_fn=None, biases_regularizer=penalty, scope="logits")


def lost(name: str, loss: str, make: Callable[[Any, Any], Any]) -> None:
    """A case on the perceptron whose only point is its loss, of one-hot labels."""
    config = PERCEPTRON.format(outputs=CLASSES) + f"losses:\n- {loss}\n"

    def collected(net: Any, fields: Any) -> None:
        make(net, tf.one_hot(fields["label"], CLASSES))

    CASES[name] = Case(config.lstrip("\n"), lambda net, fields: perceptron(net), loss=collected)


lost(
    "loss_sigmoid",
    "sigmoid_cross_entropy: {label_smoothing: 0.2, weight: 1.5}",
    lambda net, hot: slim.losses.sigmoid_cross_entropy(net, hot, weights=1.5, label_smoothing=0.2),
)
lost(
    "loss_hinge", "hinge_loss", lambda net, hot: slim.losses.add_loss(tf.reduce_mean(slim.losses.hinge_loss(net, hot)))
)
lost("loss_huber", "huber_loss: {delta: 0.4}", lambda net, hot: tf.losses.huber_loss(hot, net, delta=0.4))
lost(
    "loss_cosine",
    "cosine_distance: {axis: 1, weight: 2.0}",
    lambda net, hot: slim.losses.cosine_distance(net, hot, axis=1, weights=2.0),
)


@case(
    """
model:
  input: {shape: [5]}
  layers:
  - fully_connected: {num_outputs: 3, activation_fn: sigmoid, scope: fc1}
losses: [{log_loss: {epsilon: 0.01}}]
""",
    loss=lambda net, fields: slim.losses.log_loss(net, tf.one_hot(fields["label"], CLASSES), epsilon=0.01),
)
def loss_log(net, fields):
    return slim.fully_connected(net, CLASSES, activation_fn=tf.nn.sigmoid, scope="fc1")


lost(
    "loss_sparse_weighted",
    "sparse_softmax_cross_entropy: {weight: 0.3}",
    lambda net, hot: slim.losses.sparse_softmax_cross_entropy(net, tf.argmax(hot, 1), weights=0.3),
)
lost(
    "loss_softmax_smoothed_and_weighted",
    "softmax_cross_entropy: {label_smoothing: 0.3, weight: 2.5}",
    lambda net, hot: slim.losses.softmax_cross_entropy(net, hot, weights=2.5, label_smoothing=0.3),
)
lost(
    "loss_softmax_class_weights",
    "softmax_cross_entropy: {class_weights: [2.0, 0.5, 0.0], label_smoothing: 0.1}",
    lambda net, hot: slim.losses.softmax_cross_entropy(
        net, hot, weights=tf.reduce_sum(hot * [2.0, 0.5, 0.0], 1), label_smoothing=0.1
    ),
)
lost("loss_sigmoid_plain", "sigmoid_cross_entropy", lambda net, hot: slim.losses.sigmoid_cross_entropy(net, hot))
lost(
    "loss_hinge_weighted",
    "hinge_loss: {weight: 0.4}",
    lambda net, hot: tf.losses.hinge_loss(hot, net, weights=0.4),
)
lost(
    "loss_huber_weighted",
    "huber_loss: {weight: 3.0}",
    lambda net, hot: tf.losses.huber_loss(hot, net, weights=3.0),
)
lost(
    "loss_of_weight_zero",
    "softmax_cross_entropy: {weight: 0.0}",
    lambda net, hot: slim.losses.softmax_cross_entropy(net, hot, weights=0.0),
)


@case(
    """
model:
  input: {shape: [5]}
  layers:
  - fully_connected: {num_outputs: 3, activation_fn: sigmoid, scope: fc1}
losses: [{log_loss: {weight: 1.5}}, {mean_squared_error: {weight: 0.5}}, {absolute_difference: {weight: 0.25}}]
""",
    data=lambda rng: {"label": rng.uniform(0, 1, (4, 3)).astype(np.float32)},
    loss=lambda net, fields: [
        slim.losses.log_loss(net, fields["label"], weights=1.5),
        slim.losses.mean_squared_error(net, fields["label"], weights=0.5),
        slim.losses.absolute_difference(net, fields["label"], weights=0.25),
    ],
)
def loss_three_of_one_output(net, fields):
    return slim.fully_connected(net, CLASSES, activation_fn=tf.nn.sigmoid, scope="fc1")


@case(
    """
model:
  input: {shape: [4, 5, 2]}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, activation_fn: null, scope: conv1}
losses: [{mean_squared_error: {weight: 2.0, labels: target}}, {huber_loss: {delta: 0.3, labels: target}}]
""",
    data=lambda rng: {"target": rng.standard_normal((4, 4, 5, 3)).astype(np.float32)},
    loss=lambda net, fields: [
        slim.losses.mean_squared_error(net, fields["target"], weights=2.0),
        tf.losses.huber_loss(fields["target"], net, delta=0.3),
    ],
)
def loss_of_images(net, fields):
    return slim.conv2d(net, 3, 3, activation_fn=None, scope="conv1")
