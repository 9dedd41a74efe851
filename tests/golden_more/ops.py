"""Cases of the ops that nets need beside convolutions and batch norm."""

import tensorflow.compat.v1 as tf
import tf_slim as slim
from cases import CLASSES, case, logits


@case("""
model:
  input: {shape: [9, 5]}
  layers:
  - conv1d: {num_outputs: 4, kernel_size: 3, rate: 2, scope: c1, normalizer_fn: batch_norm}
  - conv1d: {num_outputs: 3, kernel_size: 4, stride: 3, padding: VALID, scope: c2, activation_fn: tanh}
  - pool: {kernel_size: 2, pooling_type: MAX, padding: SAME}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def ops_sequence(net, fields):
    net = slim.conv1d(net, 4, 3, rate=2, scope="c1", normalizer_fn=slim.batch_norm)
    net = slim.conv1d(net, 3, 4, stride=3, padding="VALID", scope="c2", activation_fn=tf.nn.tanh)
    return logits(slim.pool(net, 2, "MAX", padding="SAME"))


@case("""
model:
  input: {shape: [4, 5, 6, 2]}
  layers:
  - conv3d: {num_outputs: 3, kernel_size: [1, 3, 2], stride: [1, 2, 1], scope: c1, normalizer_fn: batch_norm}
  - max_pool3d: {kernel_size: [2, 2, 2], stride: [2, 1, 2], padding: SAME, scope: mp}
  - avg_pool3d: {kernel_size: 2, stride: 1, padding: SAME, scope: ap}
  - conv3d_transpose: {num_outputs: 2, kernel_size: [3, 2, 2], stride: [1, 2, 1], scope: t1}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def ops_volume(net, fields):
    net = slim.conv3d(net, 3, [1, 3, 2], stride=[1, 2, 1], scope="c1", normalizer_fn=slim.batch_norm)
    net = slim.max_pool3d(net, [2, 2, 2], stride=[2, 1, 2], padding="SAME", scope="mp")
    net = slim.avg_pool3d(net, 2, stride=1, padding="SAME", scope="ap")
    return logits(slim.conv3d_transpose(net, 2, [3, 2, 2], stride=[1, 2, 1], scope="t1"))


@case("""
model:
  input: {shape: [5, 4, 3]}
  layers:
  - conv2d_transpose: {num_outputs: 4, kernel_size: [3, 4], stride: [2, 3], padding: VALID, scope: t1}
  - separable_conv2d: {num_outputs: 5, kernel_size: [3, 2], depth_multiplier: 2, stride: 2, scope: s1}
  - separable_conv2d: {num_outputs: null, kernel_size: 3, rate: 2, scope: s2, activation_fn: null}
  - conv2d_in_plane: {kernel_size: [2, 3], stride: 2, padding: VALID, scope: p1}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def ops_transposed_and_separable(net, fields):
    net = slim.conv2d_transpose(net, 4, [3, 4], stride=[2, 3], padding="VALID", scope="t1")
    net = slim.separable_conv2d(net, 5, [3, 2], 2, stride=2, scope="s1")
    net = slim.separable_conv2d(net, None, 3, 1, rate=2, scope="s2", activation_fn=None)
    return logits(slim.conv2d_in_plane(net, [2, 3], stride=2, padding="VALID", scope="p1"))


@case("""
model:
  input: {shape: [5, 4, 6]}
  layers:
  - layer_norm: {begin_norm_axis: 2, begin_params_axis: -2, scope: ln}
  - group_norm: {groups: 3, mean_close_to_zero: true, scope: gn, activation_fn: tanh}
  - instance_norm: {epsilon: 0.1, center: false, scope: in}
  - bias_add: {regularizer: {l2: 0.3}, activation_fn: elu, scope: ba}
  - unit_norm: {dim: 3, scope: un}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, normalizer_fn: layer_norm, scope: logits}
""")
def ops_norms(net, fields):
    net = slim.layer_norm(net, begin_norm_axis=2, begin_params_axis=-2, scope="ln")
    net = slim.group_norm(net, 3, mean_close_to_zero=True, scope="gn", activation_fn=tf.nn.tanh)
    net = slim.instance_norm(net, epsilon=0.1, center=False, scope="in")
    net = slim.bias_add(net, regularizer=slim.l2_regularizer(0.3), activation_fn=tf.nn.elu, scope="ba")
    net = slim.flatten(slim.unit_norm(net, 3, scope="un"))
    return slim.fully_connected(net, CLASSES, activation_fn=None, normalizer_fn=slim.layer_norm, scope="logits")


@case(
    """
model:
  input: {shape: [5, 4, 6]}
  layers:
  - lrn: {depth_radius: 2, bias: 1.5, alpha: 0.4, beta: 0.75}
  - pad: {paddings: [[1, 2], [0, 3]], mode: REFLECT}
  - pool: {kernel_size: [2, 3], pooling_type: AVG, dilation_rate: 2}
  - scale_gradient: {multiplier: 0.25}
  - conv2d: {num_outputs: 4, kernel_size: 3, scope: conv}
  - maxout: {num_units: 2}
  - images_to_sequence
  - fully_connected: {num_outputs: 3, scope: fc}
  - sequence_to_images: {height: 6}
  - spatial_softmax: {temperature: 0.7}
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""",
    weights={"temperature": 0.7},
)
def ops_odds_and_ends(net, fields):
    net = tf.nn.local_response_normalization(net, 2, 1.5, 0.4, 0.75)
    net = tf.pad(net, [[0, 0], [1, 2], [0, 3], [0, 0]], "REFLECT")
    net = slim.pool(net, [2, 3], "AVG", dilation_rate=2)
    net = slim.scale_gradient(net, 0.25)
    net = slim.maxout(slim.conv2d(net, 4, 3, scope="conv"), 2)
    net = slim.fully_connected(slim.images_to_sequence(net), 3, scope="fc")
    net = slim.spatial_softmax(slim.sequence_to_images(net, 6), temperature=0.7)
    return slim.fully_connected(net, CLASSES, activation_fn=None, scope="logits")


@case(
    """
model:
  input: {shape: [4, 3, 2]}
  layers:
  - gdn: {scope: one, gamma_init: 0.3}
  - gdn: {inverse: true, scope: two}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
  - softmax
train: {steps: 3, variables_to_train: [logits]}
""",
    train=lambda: {"variables_to_train": tf.trainable_variables("logits")},
)  # tf_slim's gradient of gdn fails on TF 2.12
def ops_gdn(net, fields):
    net = slim.gdn(net, gamma_init=0.3, name="one")
    net = slim.gdn(net, inverse=True, name="two")
    return slim.softmax(logits(net))
