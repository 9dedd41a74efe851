"""Cases of arg scopes and names."""

import tensorflow.compat.v1 as tf
import tf_slim as slim
from cases import CLASSES, case, logits


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


@case("""
scopes:
  bn_scope:
    params: {decay: 0.9, scale: false}
    arg_scope:
    - {ops: batch_norm, decay: $decay, scale: $scale}
  net_scope:
    params: {wd: 0.01, decay: 0.5}
    arg_scope:
    - {ops: [conv2d, fully_connected], weights_regularizer: {l2: $wd}}
    - {use: bn_scope, with: {decay: $decay, scale: true}}
    - {ops: conv2d, normalizer_fn: batch_norm, padding: VALID}
model:
  input: {shape: [9, 8, 2]}
  arg_scope: {use: net_scope, with: {wd: 0.05}}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, scope: c1}
  - scope: inner
    arg_scope: [{use: bn_scope, with: {decay: 0.7}}, {ops: conv2d, activation_fn: tanh}]
    layers:
    - conv2d: {num_outputs: 3, kernel_size: 2, scope: c2}
    - arg_scope: [{clear: true}, net_scope, {ops: [batch_norm], epsilon: 0.1}]
      layers:
      - conv2d: {num_outputs: 4, kernel_size: [2, 1], scope: c3}
      - arg_scope: {clear: true}
        layers:
        - conv2d: {num_outputs: 3, kernel_size: 2, scope: c4}
    - conv2d: {num_outputs: 3, kernel_size: 1, normalizer_params: {scale: true, epsilon: 0.01}, scope: c5}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def scopes_named_in_named(net, fields):
    both = [slim.conv2d, slim.fully_connected]

    def bn_scope(decay=0.9, scale=False):
        with slim.arg_scope([slim.batch_norm], decay=decay, scale=scale) as scope:
            return scope

    def net_scope(wd=0.01, decay=0.5):
        with slim.arg_scope(both, weights_regularizer=slim.l2_regularizer(wd)):
            with slim.arg_scope(bn_scope(decay, True)):
                with slim.arg_scope([slim.conv2d], normalizer_fn=slim.batch_norm, padding="VALID") as scope:
                    return scope

    with slim.arg_scope(net_scope(0.05)):
        net = slim.conv2d(net, 3, 3, scope="c1")
        with tf.variable_scope("inner"), slim.arg_scope(bn_scope(0.7)):
            with slim.arg_scope([slim.conv2d], activation_fn=tf.nn.tanh):
                net = slim.conv2d(net, 3, 2, scope="c2")
                with (
                    slim.arg_scope(fields["outer"]),
                    slim.arg_scope(net_scope()),
                    slim.arg_scope([slim.batch_norm], epsilon=0.1),
                ):
                    net = slim.conv2d(net, 4, [2, 1], scope="c3")
                    with slim.arg_scope(fields["outer"]):
                        net = slim.conv2d(net, 3, 2, scope="c4")
                params = {"scale": True, "epsilon": 0.01}
                net = slim.conv2d(net, 3, 1, normalizer_params=params, scope="c5")
        return logits(net)


@case("""
model:
  input: {shape: [6, 5, 4]}
  arg_scope:
  - {ops: [conv2d, separable_conv2d, conv2d_transpose], normalizer_fn: batch_norm, activation_fn: null}
  - {ops: [batch_norm], decay: 0.8, activation_fn: tanh}
  - {ops: [layer_norm], scale: false}
  - {ops: [group_norm], groups: 2, epsilon: 0.1}
  - {ops: [instance_norm], center: false}
  layers:
  - conv2d: {num_outputs: 4, kernel_size: 3, normalizer_params: {activation_fn: null, scale: true}, scope: c1}
  - arg_scope:
    - {ops: [conv2d, separable_conv2d], normalizer_fn: layer_norm, normalizer_params: {begin_norm_axis: 2}}
    - {ops: [conv2d], kernel_size: 2}
    layers:
    - conv2d: {num_outputs: 4, scope: c2}
    - separable_conv2d: {num_outputs: 4, kernel_size: 3, depth_multiplier: 1, scope: s1}
    - conv2d: {num_outputs: 4, normalizer_fn: group_norm, normalizer_params: null, scope: c3}
    - arg_scope: {ops: [conv2d, conv2d_transpose], normalizer_fn: instance_norm, normalizer_params: {epsilon: 0.2}}
      layers:
      - conv2d: {num_outputs: 4, scope: c4}
      - conv2d_transpose: {num_outputs: 3, kernel_size: 2, stride: 2, scope: t1}
      - conv2d_transpose:
          num_outputs: 3
          kernel_size: 2
          normalizer_fn: batch_norm
          normalizer_params: {decay: 0.5, scope: own}
          scope: t2
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def scopes_of_every_normalizer(net, fields):
    three = [slim.conv2d, slim.separable_conv2d, slim.conv2d_transpose]
    with (
        slim.arg_scope(three, normalizer_fn=slim.batch_norm, activation_fn=None),
        slim.arg_scope([slim.batch_norm], decay=0.8, activation_fn=tf.nn.tanh),
        slim.arg_scope([slim.layer_norm], scale=False),
        slim.arg_scope([slim.group_norm], groups=2, epsilon=0.1),
        slim.arg_scope([slim.instance_norm], center=False),
    ):
        net = slim.conv2d(net, 4, 3, normalizer_params={"activation_fn": None, "scale": True}, scope="c1")
        params = {"normalizer_fn": slim.layer_norm, "normalizer_params": {"begin_norm_axis": 2}}
        with slim.arg_scope(three[:2], **params), slim.arg_scope([slim.conv2d], kernel_size=2):
            net = slim.conv2d(net, 4, scope="c2")
            net = slim.separable_conv2d(net, 4, 3, 1, scope="s1")
            net = slim.conv2d(net, 4, normalizer_fn=slim.group_norm, normalizer_params=None, scope="c3")
            params = {"normalizer_fn": slim.instance_norm, "normalizer_params": {"epsilon": 0.2}}
            with slim.arg_scope([slim.conv2d, slim.conv2d_transpose], **params):
                net = slim.conv2d(net, 4, scope="c4")
                net = slim.conv2d_transpose(net, 3, 2, stride=2, scope="t1")
                params = {"normalizer_fn": slim.batch_norm, "normalizer_params": {"decay": 0.5, "scope": "own"}}
                net = slim.conv2d_transpose(net, 3, 2, scope="t2", **params)
        return logits(net)


@case("""
model:
  input: {shape: [7, 6, 2]}
  scope: Net
  arg_scope:
  - {ops: [conv2d], kernel_size: 3, normalizer_fn: batch_norm, weights_regularizer: {l1: 0.01}}
  - {ops: [batch_norm], decay: 0.6, updates_collections: mine}
  layers:
  - repeat: {layer: {conv2d: {num_outputs: 3}}, repetitions: 2, scope: conv1}
  - repeat: {layer: {conv2d: {num_outputs: 2, normalizer_fn: null}}, repetitions: 2}
  - scope: again
    arg_scope: {ops: [conv2d], stride: 2, biases_initializer: null, normalizer_fn: null}
    layers:
    - repeat: {layer: {conv2d: {num_outputs: 4}}, repetitions: 2}
    - repeat: {layer: {conv2d: {num_outputs: 4, kernel_size: 1}}, repetitions: 1}
  - flatten
  - arg_scope: {ops: [fully_connected], activation_fn: elu, normalizer_fn: batch_norm, trainable: false}
    layers:
    - stack: {layer: fully_connected, stack_args: [5, 4], scope: fc}
    - stack: {layer: fully_connected, stack_args: [4]}
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 3, update_ops: [mine]}
""")
def scopes_with_repeat_and_stack(net, fields):
    regular = {"weights_regularizer": slim.l1_regularizer(0.01)}
    with (
        tf.variable_scope("Net"),
        slim.arg_scope([slim.conv2d], kernel_size=3, normalizer_fn=slim.batch_norm, **regular),
        slim.arg_scope([slim.batch_norm], decay=0.6, updates_collections="mine"),
    ):
        net = slim.repeat(net, 2, slim.conv2d, 3, scope="conv1")
        net = slim.repeat(net, 2, slim.conv2d, 2, normalizer_fn=None)
        with tf.variable_scope("again"):
            with slim.arg_scope([slim.conv2d], stride=2, biases_initializer=None, normalizer_fn=None):
                net = slim.repeat(net, 2, slim.conv2d, 4)
                net = slim.repeat(net, 1, slim.conv2d, 4, kernel_size=1)
        net = slim.flatten(net)
        frozen = {"activation_fn": tf.nn.elu, "normalizer_fn": slim.batch_norm, "trainable": False}
        with slim.arg_scope([slim.fully_connected], **frozen):
            net = slim.stack(net, slim.fully_connected, [5, 4], scope="fc")
            net = slim.stack(net, slim.fully_connected, [4])
        return slim.fully_connected(net, CLASSES, activation_fn=None, scope="logits")


@case("""
model:
  input: {shape: [10, 9, 4]}
  arg_scope: {ops: [separable_conv2d, conv2d_in_plane, conv2d_transpose], activation_fn: tanh}
  layers:
  - separable_conv2d: {num_outputs: 4, kernel_size: 3, depth_multiplier: 1}
  - separable_conv2d: {num_outputs: 4, kernel_size: 3, depth_multiplier: 1}
  - conv2d_in_plane: {kernel_size: 3}
  - conv2d_in_plane: {kernel_size: 3}
  - conv2d_transpose: {num_outputs: 4, kernel_size: 3}
  - conv2d_transpose: {num_outputs: 4, kernel_size: 3}
  - max_pool2d: {kernel_size: 2, stride: 1}
  - max_pool2d: {kernel_size: 2, stride: 1}
  - avg_pool2d: {kernel_size: 2, stride: 1}
  - avg_pool2d: {kernel_size: 2, stride: 1}
  - pool: {kernel_size: 2, pooling_type: MAX}
  - pool: {kernel_size: 2, pooling_type: AVG, padding: SAME}
  - batch_norm
  - batch_norm
  - layer_norm
  - layer_norm
  - instance_norm
  - instance_norm
  - group_norm: {groups: 2}
  - group_norm: {groups: 2}
  - bias_add
  - bias_add
  - dropout: {is_training: false}
  - dropout: {is_training: false}
  - flatten
  - flatten
  - fully_connected: {num_outputs: 4}
  - fully_connected: {num_outputs: 3, activation_fn: null}
""")
def names_by_default(net, fields):
    with slim.arg_scope([slim.separable_conv2d, slim.conv2d_in_plane, slim.conv2d_transpose], activation_fn=tf.nn.tanh):
        net = slim.separable_conv2d(slim.separable_conv2d(net, 4, 3, 1), 4, 3, 1)
        net = slim.conv2d_in_plane(slim.conv2d_in_plane(net, 3), 3)
        net = slim.conv2d_transpose(slim.conv2d_transpose(net, 4, 3), 4, 3)
    net = slim.max_pool2d(slim.max_pool2d(net, 2, stride=1), 2, stride=1)
    net = slim.avg_pool2d(slim.avg_pool2d(net, 2, stride=1), 2, stride=1)
    net = slim.pool(slim.pool(net, 2, "MAX"), 2, "AVG", padding="SAME")
    for norm in (slim.batch_norm, slim.layer_norm, slim.instance_norm):
        net = norm(norm(net))
    net = slim.group_norm(slim.group_norm(net, 2), 2)
    net = slim.bias_add(slim.bias_add(net))
    net = slim.dropout(slim.dropout(net, is_training=False), is_training=False)
    net = slim.flatten(slim.flatten(net))
    return slim.fully_connected(slim.fully_connected(net, 4), CLASSES, activation_fn=None)
