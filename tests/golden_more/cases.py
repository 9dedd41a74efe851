"""What a case is: a net that real TF-Slim builds, beside the config that says the same; and what cases share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

CLASSES = 3
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


def trained(name: str, optimizer: str, steps: int, make: Callable[[Any], Any]) -> None:
    """A case on the perceptron whose only point is its optimizer."""
    config = PERCEPTRON.format(outputs=3) + f"optimizer:\n  {optimizer}\ntrain: {{steps: {steps}}}\n"
    CASES[name] = Case(config.lstrip("\n"), lambda net, fields: perceptron(net), optimizer=make)


def scheduled(name: str, schedule: str, make: Callable[[Any], Any]) -> None:
    """A case on the perceptron whose only point is its learning rate: six steps of SGD."""
    optimizer = f"sgd: {{learning_rate: {schedule}}}"
    trained(name, optimizer, 6, lambda step: tf.train.GradientDescentOptimizer(make(step)))
