"""Cases of batch norm."""

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
from cases import CLASSES, case, logits


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


@case("""
model:
  input: {shape: [3, 4, 2, 3]}
  arg_scope: {ops: [batch_norm], decay: 0.8, scale: true}
  layers:
  - batch_norm: {scope: fused}
  - batch_norm: {fused: false, scope: plain}
  - batch_norm: {updates_collections: mine, scope: own}
  - batch_norm: {updates_collections: null, activation_fn: relu, scope: in_place}
  - batch_norm: {zero_debias_moving_mean: true, scope: debiased}
  - batch_norm: {renorm: true, renorm_clipping: {rmax: 1.1, rmin: 0.9, dmax: 0.05}, scope: renorm}
  - conv3d: {num_outputs: 2, kernel_size: 2, normalizer_fn: batch_norm, scope: conv}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 4, update_ops: [update_ops, mine]}
""")
def bn_paths_rank5(net, fields):
    with slim.arg_scope([slim.batch_norm], decay=0.8, scale=True):
        net = slim.batch_norm(net, scope="fused")
        net = slim.batch_norm(net, fused=False, scope="plain")
        net = slim.batch_norm(net, updates_collections="mine", scope="own")
        net = slim.batch_norm(net, updates_collections=None, activation_fn=tf.nn.relu, scope="in_place")
        net = slim.batch_norm(net, zero_debias_moving_mean=True, scope="debiased")
        clipping = {"rmax": 1.1, "rmin": 0.9, "dmax": 0.05}
        net = slim.batch_norm(net, renorm=True, renorm_clipping=clipping, scope="renorm")
        return logits(slim.conv3d(net, 2, 2, normalizer_fn=slim.batch_norm, scope="conv"))


@case(
    """
model:
  input: {shape: [5, 3]}
  arg_scope: {ops: [batch_norm], decay: 0.7, scale: true}
  layers:
  - conv1d: {num_outputs: 3, kernel_size: 3, normalizer_fn: batch_norm, scope: conv}
  - batch_norm: {updates_collections: [mine, yours], center: false, scope: own}
  - batch_norm: {batch_weights: weights, scope: weighted}
  - batch_norm: {batch_weights: weights, zero_debias_moving_mean: true, updates_collections: null, scope: both}
  - batch_norm: {is_training: false, scope: frozen}
  - batch_norm: {data_format: NCHW, scope: first}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 4, update_ops: [yours]}
""",
    data=lambda rng: {"weights": np.array([0.0, 2.0, 1.0, 0.25], np.float32)},
)
def bn_options_rank3(net, fields):
    with slim.arg_scope([slim.batch_norm], decay=0.7, scale=True):
        net = slim.conv1d(net, 3, 3, normalizer_fn=slim.batch_norm, scope="conv")
        net = slim.batch_norm(net, updates_collections=["mine", "yours"], center=False, scope="own")
        net = slim.batch_norm(net, batch_weights=fields["weights"], scope="weighted")
        more = {"zero_debias_moving_mean": True, "updates_collections": None}
        net = slim.batch_norm(net, batch_weights=fields["weights"], scope="both", **more)
        net = slim.batch_norm(net, is_training=False, scope="frozen")
        return logits(slim.batch_norm(net, data_format="NCHW", scope="first"))


@case(
    """
model:
  input: {shape: [6]}
  arg_scope:
    ops: [batch_norm]
    decay: 0.9
    renorm: true
    renorm_decay: 0.5
    renorm_clipping: {rmax: 1.3, dmax: 0.5}
    param_initializers: {moving_variance: {constant: 4.0}, moving_mean: ones}
  layers:
  - batch_norm: {scope: first}
  - fully_connected: {num_outputs: 4, normalizer_fn: batch_norm, normalizer_params: {scale: true}, scope: fc1}
  - batch_norm: {updates_collections: update_ops, renorm_clipping: null, scope: last}
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
train: {steps: 6}
""",
    weights={"last/renorm_stddev": 0.001, "first/renorm_stddev": 2.0},
)
def bn_renorm_rank2(net, fields):
    renorm = {"renorm": True, "renorm_decay": 0.5, "renorm_clipping": {"rmax": 1.3, "dmax": 0.5}}
    starts = {"moving_variance": tf.constant_initializer(4.0), "moving_mean": tf.ones_initializer()}
    with slim.arg_scope([slim.batch_norm], decay=0.9, param_initializers=starts, **renorm):
        net = slim.batch_norm(net, scope="first")
        params = {"normalizer_fn": slim.batch_norm, "normalizer_params": {"scale": True}}
        net = slim.fully_connected(net, 4, scope="fc1", **params)
        net = slim.batch_norm(net, renorm_clipping=None, scope="last")
        return slim.fully_connected(net, CLASSES, activation_fn=None, scope="logits")


@case("""
model:
  input: {shape: [4, 5, 3]}
  arg_scope: {ops: [batch_norm], scale: true}
  layers:
  - batch_norm: {decay: 0.0, scope: zero}
  - batch_norm: {decay: 1.0, scope: one}
  - batch_norm: {decay: 0.0, zero_debias_moving_mean: true, scope: zero_debiased}
  - batch_norm: {decay: 0.0, renorm: true, renorm_decay: 1.0, scope: renorm}
  - batch_norm: {decay: 0.5, epsilon: 1.0e-5, is_training: true, scope: pinned}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
""")
def bn_decays_at_the_ends(net, fields):
    with slim.arg_scope([slim.batch_norm], scale=True):
        net = slim.batch_norm(net, decay=0.0, scope="zero")
        net = slim.batch_norm(net, decay=1.0, scope="one")
        net = slim.batch_norm(net, decay=0.0, zero_debias_moving_mean=True, scope="zero_debiased")
        net = slim.batch_norm(net, decay=0.0, renorm=True, renorm_decay=1.0, scope="renorm")
        return logits(slim.batch_norm(net, decay=0.5, epsilon=1e-5, is_training=True, scope="pinned"))
