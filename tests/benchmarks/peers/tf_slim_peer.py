"""TF-Slim's side: the six nets in graph mode, with its own layers, train op and update ops."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
from cases import RATE
from measuring import Asked, asked, batch, kernel, tell
from tf_slim.nets import resnet_v1


def mlp(ask: Asked, images: Any) -> Any:
    outputs = slim.stack(images, slim.fully_connected, [512, 512])
    return slim.fully_connected(outputs, 10, activation_fn=None)


def lenet(ask: Asked, images: Any) -> Any:
    outputs = slim.max_pool2d(slim.conv2d(images, 32, 5), 2, 2)
    outputs = slim.max_pool2d(slim.conv2d(outputs, 64, 5), 2, 2)
    outputs = dropout(ask, slim.fully_connected(slim.flatten(outputs), 1024), 0.5)
    return slim.fully_connected(outputs, 10, activation_fn=None)


def cifarnet(ask: Asked, images: Any) -> Any:
    decay = slim.l2_regularizer(ask.case.weight_decay)
    outputs = slim.max_pool2d(slim.conv2d(images, 64, 5), 2, 2)
    outputs = slim.conv2d(response(outputs), 64, 5)
    outputs = slim.flatten(slim.max_pool2d(response(outputs), 2, 2))
    outputs = dropout(ask, slim.fully_connected(outputs, 384, weights_regularizer=decay), 0.5)
    outputs = slim.fully_connected(outputs, 192, weights_regularizer=decay)
    return slim.fully_connected(outputs, 10, activation_fn=None)


def resnet20(ask: Asked, images: Any) -> Any:
    decay = slim.l2_regularizer(ask.case.weight_decay)

    def basic(images: Any, width: int, stride: int) -> Any:
        outputs = slim.conv2d(images, width, 3, stride)
        outputs = slim.conv2d(outputs, width, 3, activation_fn=None)
        if stride > 1:
            images = slim.max_pool2d(images, 1, stride)
            images = tf.pad(images, [[0, 0], [0, 0], [0, 0], [width // 4, width // 4]])
        return tf.nn.relu(images + outputs)

    with normalized(decay, decay=0.9, epsilon=1e-5, scale=True):
        outputs = slim.conv2d(images, 16, 3)
        for width, strides in ((16, (1, 1, 1)), (32, (2, 1, 1)), (64, (2, 1, 1))):
            for stride in strides:
                outputs = basic(outputs, width, stride)
    outputs = tf.reduce_mean(outputs, [1, 2])
    return slim.fully_connected(outputs, 10, activation_fn=None, weights_regularizer=decay)


def mobilenet(ask: Asked, images: Any) -> Any:
    decay = slim.l2_regularizer(ask.case.weight_decay)
    widths = (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    with normalized(decay, decay=0.9997, epsilon=0.001, scale=True):
        with slim.arg_scope([slim.conv2d, slim.separable_conv2d], activation_fn=tf.nn.relu6):
            outputs = slim.conv2d(images, 8, 3, 2)
            for width, stride in zip(widths, strides, strict=True):
                outputs = slim.separable_conv2d(outputs, None, 3, 1, stride)
                outputs = slim.conv2d(outputs, width, 1)
    outputs = dropout(ask, tf.reduce_mean(outputs, [1, 2], keepdims=True), 0.001)
    logits = slim.conv2d(outputs, 1001, 1, activation_fn=None, weights_regularizer=decay)
    return tf.squeeze(logits, [1, 2])


def resnet50(ask: Asked, images: Any) -> Any:
    with slim.arg_scope(resnet_v1.resnet_arg_scope(ask.case.weight_decay)):
        return tf.squeeze(resnet_v1.resnet_v1_50(images, ask.case.classes, is_training=True)[0], [1, 2])


def normalized(regularizer: Any, **options: Any) -> ExitStack:
    """The scope of convolutions with batch norm."""
    stack = ExitStack()
    both = [slim.conv2d, slim.separable_conv2d]
    stack.enter_context(slim.arg_scope(both, normalizer_fn=slim.batch_norm, activation_fn=tf.nn.relu))
    stack.enter_context(slim.arg_scope([slim.conv2d], weights_regularizer=regularizer))
    stack.enter_context(slim.arg_scope([slim.batch_norm], is_training=True, **options))
    return stack


def response(images: Any) -> Any:
    return tf.nn.lrn(images, 4, bias=1.0, alpha=0.001 / 9, beta=0.75)


def dropout(ask: Asked, inputs: Any, share: float) -> Any:
    return inputs if ask.check else slim.dropout(inputs, 1.0 - share)


NETS = {f.__name__: f for f in (mlp, lenet, cifarnet, resnet20, mobilenet, resnet50)}


def on_device(value: np.ndarray) -> Any:
    """A batch as a variable, so that no feeding is timed."""
    return tf.Variable(value, trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES])


def checked(session: Any) -> None:
    """Gives the check's weights; a depthwise kernel is [height, width, channels, 1] here."""
    for variable in tf.trainable_variables():
        shape = variable.shape.as_list()
        if "depthwise_weights" in variable.name:
            variable.load(kernel((*shape[:2], 1, shape[2])).reshape(shape), session)
        elif len(shape) > 1:
            variable.load(kernel(shape), session)


def one_step(ask: Asked) -> tuple[int, Callable[[], Any]]:
    images, labels = map(on_device, batch(ask))
    cross_entropy = tf.losses.sparse_softmax_cross_entropy(labels, NETS[ask.net](ask, images))
    momentum = ask.case.momentum
    optimizer = tf.train.MomentumOptimizer(RATE, momentum) if momentum else tf.train.GradientDescentOptimizer(RATE)
    train = slim.learning.create_train_op(tf.losses.get_total_loss(), optimizer)
    session = tf.Session()
    session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    if ask.check:
        checked(session)
    step = session.make_callable([train, cross_entropy] if ask.check else train)
    parameters = sum(int(np.prod(v.shape.as_list())) for v in tf.trainable_variables())
    return parameters, (lambda: step()[1]) if ask.check else step


if __name__ == "__main__":
    ask = asked()
    tf.disable_eager_execution()
    tf.logging.set_verbosity(tf.logging.ERROR)
    tell(ask, *one_step(ask), ("tensorflow-cpu", "tf-slim", "numpy"))
