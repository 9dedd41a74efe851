"""Keras's side, on JAX: the six nets, one jitted stateless step with its state donated, quicker than train_on_batch."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
from cases import RATE
from keras import layers, ops
from measuring import Asked, asked, batch, kernel, stepping, tell


def mlp(ask: Asked, rows: Any) -> Any:
    return layers.Dense(10)(layers.Dense(512, "relu")(layers.Dense(512, "relu")(rows)))


def lenet(ask: Asked, images: Any) -> Any:
    outputs = layers.MaxPooling2D()(layers.Conv2D(32, 5, padding="same", activation="relu")(images))
    outputs = layers.MaxPooling2D()(layers.Conv2D(64, 5, padding="same", activation="relu")(outputs))
    outputs = layers.Dense(1024, "relu")(layers.Flatten()(outputs))
    return layers.Dense(10)(dropout(ask, outputs, 0.5))


def cifarnet(ask: Asked, images: Any) -> Any:
    outputs = layers.MaxPooling2D()(layers.Conv2D(64, 5, padding="same", activation="relu")(images))
    outputs = layers.Conv2D(64, 5, padding="same", activation="relu")(response(outputs))
    outputs = layers.Flatten()(layers.MaxPooling2D()(response(outputs)))
    outputs = dropout(ask, layers.Dense(384, "relu", kernel_regularizer=decay(ask))(outputs), 0.5)
    return layers.Dense(10)(layers.Dense(192, "relu", kernel_regularizer=decay(ask))(outputs))


def resnet20(ask: Asked, images: Any) -> Any:
    def basic(images: Any, width: int, stride: int) -> Any:
        beside = normed(ask, normed(ask, images, width, 3, stride), width, 3, act=None)
        if stride > 1:
            more = (width // 4, width // 4)
            images = ops.pad(images[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), more))
        return ops.relu(images + beside)

    outputs = normed(ask, images, 16, 3)
    for width, strides in ((16, (1, 1, 1)), (32, (2, 1, 1)), (64, (2, 1, 1))):
        for stride in strides:
            outputs = basic(outputs, width, stride)
    outputs = layers.GlobalAveragePooling2D()(outputs)
    return layers.Dense(10, kernel_regularizer=decay(ask))(outputs)


def mobilenet(ask: Asked, images: Any) -> Any:
    widths = (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    options = {"epsilon": 0.001, "momentum": 0.9997}
    outputs = normed(ask, images, 8, 3, 2, "relu6", **options)
    for width, stride in zip(widths, strides, strict=True):
        outputs = layers.DepthwiseConv2D(3, stride, "same", use_bias=False)(outputs)
        outputs = layers.Activation("relu6")(layers.BatchNormalization(**options)(outputs))
        outputs = normed(ask, outputs, width, 1, act="relu6", **options)
    outputs = dropout(ask, layers.GlobalAveragePooling2D()(outputs), 0.001)
    return layers.Dense(1001, kernel_regularizer=decay(ask))(outputs)


def resnet50(ask: Asked, images: Any) -> Any:
    unit = partial(normed, ask, momentum=0.997)

    def bottleneck(images: Any, depth: int, first: bool, stride: int) -> Any:
        beside = unit(unit(images, depth, 1), depth, 3, stride, padding=1)
        beside = unit(beside, 4 * depth, 1, act=None)
        if first:
            images = unit(images, 4 * depth, 1, stride, act=None)
        elif stride > 1:
            images = images[:, ::2, ::2]
        return ops.relu(images + beside)

    outputs = layers.MaxPooling2D(3, 2, "same")(unit(images, 64, 7, 2, padding=3))
    for depth, units, stride in ((64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1)):
        for number in range(units):
            outputs = bottleneck(outputs, depth, number == 0, stride if number == units - 1 else 1)
    outputs = layers.GlobalAveragePooling2D()(outputs)
    return layers.Dense(1000, kernel_regularizer=decay(ask))(outputs)


def normed(
    ask: Asked,
    images: Any,
    width: int,
    size: int,
    stride: int = 1,
    act: str | None = "relu",
    padding: int | None = None,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
) -> Any:
    """A convolution without biases, its batch norm and its activation; `padding` pads both sides alike."""
    explicit = padding is not None and stride > 1
    if explicit:
        images = layers.ZeroPadding2D(padding)(images)
    form = "valid" if explicit else "same"
    convolution = layers.Conv2D(width, size, stride, form, use_bias=False, kernel_regularizer=decay(ask))
    outputs = layers.BatchNormalization(momentum=momentum, epsilon=epsilon)(convolution(images))
    return outputs if act is None else layers.Activation(act)(outputs)


def decay(ask: Asked) -> Any:
    """Keras's L2 has no half in it."""
    return keras.regularizers.L2(ask.case.weight_decay / 2)


def dropout(ask: Asked, inputs: Any, share: float) -> Any:
    return inputs if ask.check else layers.Dropout(share)(inputs)


def response(images: Any) -> Any:
    """Local response normalization over 9 channels; their sum is a product with a band of ones."""
    places = np.arange(images.shape[-1])
    near = (abs(places[:, None] - places) <= 4).astype(np.float32)
    return images / (1.0 + 0.001 / 9 * ops.matmul(images * images, near)) ** 0.75


NETS = {f.__name__: f for f in (mlp, lenet, cifarnet, resnet20, mobilenet, resnet50)}


def checked(model: Any) -> None:
    """Gives the check's weights; a depthwise kernel is [height, width, channels, 1] here."""
    for layer in model.layers:
        if isinstance(layer, layers.DepthwiseConv2D):
            height, width, channels, _ = layer.kernel.shape
            layer.kernel.assign(kernel((height, width, 1, channels)).reshape(layer.kernel.shape))
        elif isinstance(layer, layers.Dense | layers.Conv2D):
            layer.kernel.assign(kernel(layer.kernel.shape))


def one_step(ask: Asked) -> tuple[int, Callable[[], Any]]:
    inputs = keras.Input(ask.case.shape)
    model = keras.Model(inputs, NETS[ask.net](ask, inputs))
    if ask.check:
        checked(model)
    optimizer = keras.optimizers.SGD(RATE, ask.case.momentum)
    optimizer.build(model.trainable_variables)
    images, labels = map(jax.numpy.asarray, batch(ask))

    def loss_of(trained: Any, other: Any, images: Any, labels: Any) -> Any:
        logits, other, losses = model.stateless_call(trained, other, images, training=True, return_losses=True)
        entropy = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        loss = ops.mean(entropy)
        return loss + sum(losses), (loss, other)

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, images: Any, labels: Any) -> Any:
        trained, other, moments = state
        found = jax.value_and_grad(loss_of, has_aux=True)(trained, other, images, labels)
        (_, (loss, other)), gradients = found
        trained, moments = optimizer.stateless_apply(moments, gradients, trained)
        return (trained, other, moments), loss

    variables = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = tuple([v.value for v in group] for group in variables)
    number = sum(int(np.prod(v.shape)) for v in model.trainable_variables)

    return number, stepping(step, state, images, labels)


if __name__ == "__main__":
    ask = asked()
    tell(ask, *one_step(ask), ("keras", "jax", "jaxlib", "numpy"))
