"""Cases of convolutions, pools and activations."""

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
from cases import case, logits


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


@case("""
model:
  input: {shape: [11, 3]}
  layers:
  - conv1d: {num_outputs: 4, kernel_size: 4, stride: 2, scope: c1}
  - conv1d: {num_outputs: 3, kernel_size: 3, rate: 2, padding: VALID, activation_fn: tanh, scope: c2}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def conv1d_odd(net, fields):
    net = slim.conv1d(net, 4, 4, stride=2, scope="c1")
    return logits(slim.conv1d(net, 3, 3, rate=2, padding="VALID", activation_fn=tf.nn.tanh, scope="c2"))


@case("""
model:
  input: {shape: [7, 5, 6, 2]}
  layers:
  - conv3d: {num_outputs: 3, kernel_size: [3, 2, 4], stride: [2, 3, 1], scope: c1}
  - conv3d: {num_outputs: 2, kernel_size: [2, 1, 3], stride: [1, 1, 2], padding: VALID, scope: c2}
  - conv3d_transpose: {num_outputs: 2, kernel_size: [2, 3, 1], stride: [2, 1, 3], padding: VALID, scope: t1}
  - max_pool3d: {kernel_size: [3, 2, 2], stride: [2, 3, 1], padding: SAME, scope: mp}
  - avg_pool3d: {kernel_size: [2, 1, 3], stride: [1, 2, 2], scope: ap}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def conv3d_odd(net, fields):
    net = slim.conv3d(net, 3, [3, 2, 4], stride=[2, 3, 1], scope="c1")
    net = slim.conv3d(net, 2, [2, 1, 3], stride=[1, 1, 2], padding="VALID", scope="c2")
    net = slim.conv3d_transpose(net, 2, [2, 3, 1], stride=[2, 1, 3], padding="VALID", scope="t1")
    net = slim.max_pool3d(net, [3, 2, 2], stride=[2, 3, 1], padding="SAME", scope="mp")
    return logits(slim.avg_pool3d(net, [2, 1, 3], stride=[1, 2, 2], scope="ap"))


@case("""
model:
  input: {shape: [7, 5, 2]}
  layers:
  - conv2d_transpose: {num_outputs: 3, kernel_size: 3, stride: 2, scope: t1}
  - conv2d_transpose: {num_outputs: 2, kernel_size: [2, 5], stride: [3, 1], normalizer_fn: batch_norm, scope: t2}
  - conv2d_transpose:
      num_outputs: 3
      kernel_size: [1, 2]  # of 1 x 1, TF 2.12's own gradient by these weights is wrong (oneDNN, against differences)
      stride: 2
      padding: VALID
      biases_initializer: null
      scope: t3
  - separable_conv2d: {num_outputs: 3, kernel_size: [4, 3], depth_multiplier: 2, stride: 3, padding: VALID, scope: s1}
  - separable_conv2d: {num_outputs: 4, kernel_size: 2, depth_multiplier: 1, stride: 2, scope: s2}
  - separable_conv2d: {num_outputs: null, kernel_size: 3, depth_multiplier: 3, stride: 2, scope: s3}
  - separable_conv2d:
      num_outputs: 2
      kernel_size: 3
      depth_multiplier: 1
      rate: [2, 1]
      normalizer_fn: batch_norm
      weights_regularizer: {l2: 0.1}
      scope: s4
  - conv2d_in_plane: {kernel_size: [3, 2], stride: [1, 2], normalizer_fn: batch_norm, scope: p1}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def conv_kinds_odd(net, fields):
    net = slim.conv2d_transpose(net, 3, 3, stride=2, scope="t1")
    net = slim.conv2d_transpose(net, 2, [2, 5], stride=[3, 1], normalizer_fn=slim.batch_norm, scope="t2")
    net = slim.conv2d_transpose(net, 3, [1, 2], stride=2, padding="VALID", biases_initializer=None, scope="t3")
    net = slim.separable_conv2d(net, 3, [4, 3], 2, stride=3, padding="VALID", scope="s1")
    net = slim.separable_conv2d(net, 4, 2, 1, stride=2, scope="s2")
    net = slim.separable_conv2d(net, None, 3, 3, stride=2, scope="s3")
    more = {"normalizer_fn": slim.batch_norm, "weights_regularizer": slim.l2_regularizer(0.1)}
    net = slim.separable_conv2d(net, 2, 3, 1, rate=[2, 1], scope="s4", **more)
    return logits(slim.conv2d_in_plane(net, [3, 2], stride=[1, 2], normalizer_fn=slim.batch_norm, scope="p1"))


@case("""
model:
  input: {shape: [9, 11, 2]}
  arg_scope: {ops: [max_pool2d, avg_pool2d], padding: SAME}
  layers:
  - max_pool2d: {kernel_size: [3, 2], stride: [1, 2], scope: m1}
  - avg_pool2d: {kernel_size: [2, 3], stride: 1, scope: a1}
  - max_pool2d: {kernel_size: 2, stride: 3, padding: VALID, scope: m2}
  - avg_pool2d: {kernel_size: 3, stride: 3, scope: a2}
  - pool: {kernel_size: [2, 3], pooling_type: MAX, stride: [2, 1], padding: SAME, scope: p1}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def pools_odd(net, fields):
    with slim.arg_scope([slim.max_pool2d, slim.avg_pool2d], padding="SAME"):
        net = slim.max_pool2d(net, [3, 2], stride=[1, 2], scope="m1")
        net = slim.avg_pool2d(net, [2, 3], stride=1, scope="a1")
        net = slim.max_pool2d(net, 2, stride=3, padding="VALID", scope="m2")
        net = slim.avg_pool2d(net, 3, stride=3, scope="a2")
        return logits(slim.pool(net, [2, 3], "MAX", stride=[2, 1], padding="SAME", scope="p1"))


@case("""
model:
  input: {shape: [4, 9, 8]}
  arg_scope:
  - {ops: [conv2d, avg_pool2d, batch_norm, bias_add, instance_norm], data_format: NCHW}
  - {ops: [batch_norm], scale: true, decay: 0.8}
  layers:
  - conv2d: {num_outputs: 4, kernel_size: 3, stride: 2, scope: c1}
  - avg_pool2d: {kernel_size: 2, stride: 1, scope: a1}
  - batch_norm: {scope: bn}
  - instance_norm: {scope: in}
  - bias_add: {scope: ba}
  - group_norm: {groups: 2, channels_axis: -3, reduction_axes: [-2, -1], scope: gn}
  - conv2d: {num_outputs: 4, kernel_size: 2, normalizer_fn: batch_norm, scope: c2}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def ops_nchw(net, fields):
    first = [slim.conv2d, slim.avg_pool2d, slim.batch_norm, slim.bias_add, slim.instance_norm]
    with slim.arg_scope(first, data_format="NCHW"), slim.arg_scope([slim.batch_norm], scale=True, decay=0.8):
        net = slim.conv2d(net, 4, 3, stride=2, scope="c1")
        net = slim.avg_pool2d(net, 2, stride=1, scope="a1")
        net = slim.batch_norm(net, scope="bn")
        net = slim.instance_norm(net, scope="in")
        net = slim.bias_add(net, scope="ba")
        net = slim.group_norm(net, 2, channels_axis=-3, reduction_axes=(-2, -1), scope="gn")
        return logits(slim.conv2d(net, 4, 2, normalizer_fn=slim.batch_norm, scope="c2"))


@case("""
model:
  input: {shape: [9, 8, 2]}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, scope: c1}
  - pool: {kernel_size: [2, 3], pooling_type: MAX, dilation_rate: [3, 2], scope: mp}
  - pool: {kernel_size: 2, pooling_type: AVG, dilation_rate: [1, 2], scope: ap}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def pools_dilated(net, fields):
    net = slim.conv2d(net, 3, 3, scope="c1")
    net = slim.pool(net, [2, 3], "MAX", dilation_rate=[3, 2], scope="mp")
    return logits(slim.pool(net, 2, "AVG", dilation_rate=[1, 2], scope="ap"))
