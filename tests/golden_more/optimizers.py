"""Cases of optimizers, schedules and what create_train_op takes."""

import tensorflow.compat.v1 as tf
import tf_slim as slim
from cases import case, logits, scheduled, trained

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


trained(
    "optimizer_adagrad",
    "adagrad: {learning_rate: 0.2, initial_accumulator_value: 0.3}",
    5,
    lambda step: tf.train.AdagradOptimizer(0.2, 0.3),
)
trained(
    "optimizer_adadelta",
    "adadelta: {learning_rate: 2.0, rho: 0.8, epsilon: 0.001}",
    6,
    lambda step: tf.train.AdadeltaOptimizer(2.0, 0.8, 0.001),
)
trained(
    "optimizer_adadelta_defaults",
    "adadelta: {learning_rate: {natural_exp_decay: {initial: 50.0, decay_steps: 3, decay_rate: 0.2}}}",
    6,
    lambda step: tf.train.AdadeltaOptimizer(tf.train.natural_exp_decay(50.0, step, 3, 0.2)),
)
trained("optimizer_ftrl", "ftrl: {learning_rate: 0.3}", 6, lambda step: tf.train.FtrlOptimizer(0.3))
trained(
    "optimizer_ftrl_regularized",
    """ftrl:
    learning_rate: 0.4
    learning_rate_power: -0.6
    initial_accumulator_value: 0.3
    l1_regularization_strength: 0.2
    l2_regularization_strength: 0.1""",
    6,
    lambda step: tf.train.FtrlOptimizer(0.4, -0.6, 0.3, 0.2, 0.1),
)
trained(
    "optimizer_ftrl_shrinking",
    """ftrl:
    learning_rate: {inverse_time_decay: {initial: 0.4, decay_steps: 2, decay_rate: 0.5}}
    learning_rate_power: 0.0
    initial_accumulator_value: 0.0
    l1_regularization_strength: 0.05
    l2_shrinkage_regularization_strength: 0.2""",
    6,
    lambda step: tf.train.FtrlOptimizer(
        tf.train.inverse_time_decay(0.4, step, 2, 0.5), 0.0, 0.0, 0.05, l2_shrinkage_regularization_strength=0.2
    ),
)
trained(
    "optimizer_adagrad_scheduled",
    "adagrad: {learning_rate: {cosine_decay: {initial: 0.5, decay_steps: 5}}}",
    6,
    lambda step: tf.train.AdagradOptimizer(tf.train.cosine_decay(0.5, step, 5)),
)
scheduled(
    "lr_natural_exp",
    "{natural_exp_decay: {initial: 0.6, decay_steps: 2, decay_rate: 0.7, staircase: true}}",
    lambda step: tf.train.natural_exp_decay(0.6, step, 2, 0.7, staircase=True),
)
scheduled(
    "lr_inverse_time",
    "{inverse_time_decay: {initial: 0.6, decay_steps: 2, decay_rate: 0.7}}",
    lambda step: tf.train.inverse_time_decay(0.6, step, 2, 0.7),
)
scheduled(
    "lr_inverse_time_staircase",
    "{inverse_time_decay: {initial: 0.6, decay_steps: 3, decay_rate: 2.0, staircase: true}}",
    lambda step: tf.train.inverse_time_decay(0.6, step, 3, 2.0, staircase=True),
)
scheduled(
    "lr_cosine_restarts",
    "{cosine_decay_restarts: {initial: 0.5, first_decay_steps: 2, m_mul: 0.8, alpha: 0.1}}",
    lambda step: tf.train.cosine_decay_restarts(0.5, step, 2, m_mul=0.8, alpha=0.1),
)
scheduled(
    "lr_cosine_restarts_even",
    "{cosine_decay_restarts: {initial: 0.5, first_decay_steps: 2, t_mul: 1.0, m_mul: 0.5}}",
    lambda step: tf.train.cosine_decay_restarts(0.5, step, 2, t_mul=1.0, m_mul=0.5),
)
scheduled(
    "lr_polynomial_default",
    "{polynomial_decay: {initial: 0.5, decay_steps: 4}}",
    lambda step: tf.train.polynomial_decay(0.5, step, 4),
)


@case(
    """
model:
  input: {shape: [5, 4, 2]}
  layers:
  - conv2d: {num_outputs: 3, kernel_size: 3, normalizer_fn: batch_norm, normalizer_params: {scale: true}, scope: conv1}
  - conv2d: {num_outputs: 3, kernel_size: 3, weights_regularizer: {l1: 0.1}, scope: conv2}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
optimizer: {adam: {learning_rate: 0.05}}
train:
  steps: 5
  clip_gradient_norm: 0.05
  gradient_multipliers: {'conv.*/biases$': 0.5, BatchNorm/gamma: 10.0, conv2/weights: 0.0}
""",
    optimizer=lambda step: tf.train.AdamOptimizer(0.05),
    train=lambda: {
        "clip_gradient_norm": 0.05,
        "gradient_multipliers": {"conv2/biases": 0.5, "conv1/BatchNorm/gamma": 10.0, "conv2/weights": 0.0},
    },
)
def clip_and_multipliers_of_adam(net, fields):
    params = {"normalizer_fn": slim.batch_norm, "normalizer_params": {"scale": True}}
    net = slim.conv2d(net, 3, 3, scope="conv1", **params)
    return logits(slim.conv2d(net, 3, 3, weights_regularizer=slim.l1_regularizer(0.1), scope="conv2"))


@case(
    """
model:
  input: {shape: [5, 4, 2]}
  arg_scope: {ops: [conv2d], kernel_size: 3, normalizer_fn: batch_norm, normalizer_params: {decay: 0.7}}
  layers:
  - conv2d: {num_outputs: 3, scope: conv1}
  - conv2d: {num_outputs: 3, scope: conv10}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
optimizer: {rmsprop: {learning_rate: 0.01}}
train: {steps: 4, variables_to_train: [conv1, logits/biases], update_ops: []}
""",
    optimizer=lambda step: tf.train.RMSPropOptimizer(0.01),
    train=lambda: {
        "variables_to_train": slim.get_trainable_variables("conv1/") + slim.get_trainable_variables("logits/biases")
    },
)
def train_some_without_updates(net, fields):
    params = {"normalizer_fn": slim.batch_norm, "normalizer_params": {"decay": 0.7}}
    with slim.arg_scope([slim.conv2d], kernel_size=3, **params):
        return logits(slim.conv2d(slim.conv2d(net, 3, scope="conv1"), 3, scope="conv10"))
