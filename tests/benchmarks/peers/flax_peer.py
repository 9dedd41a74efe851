"""Flax's side: the six nets as linen modules, one jitted step with its state donated, optax."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from cases import RATE
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from measuring import Asked, asked, batch, kernel, stepping, tell


class Conv(nn.Module):
    """A convolution without biases, its batch norm and its activation."""

    width: int
    size: int
    stride: int = 1
    groups: int = 1
    act: Callable[[Any], Any] | None = nn.relu
    padding: Any = "SAME"
    decay: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, images: Any) -> Any:
        options = {"strides": self.stride, "padding": self.padding, "feature_group_count": self.groups}
        outputs = nn.Conv(self.width, (self.size, self.size), use_bias=False, **options)(images)
        outputs = nn.BatchNorm(use_running_average=False, momentum=self.decay, epsilon=self.epsilon)(outputs)
        return outputs if self.act is None else self.act(outputs)


class Mlp(nn.Module):
    dropped: bool

    @nn.compact
    def __call__(self, rows: Any) -> Any:
        return nn.Dense(10)(nn.relu(nn.Dense(512)(nn.relu(nn.Dense(512)(rows)))))


class Lenet(nn.Module):
    dropped: bool

    @nn.compact
    def __call__(self, images: Any) -> Any:
        outputs = halved(nn.relu(nn.Conv(32, (5, 5))(images)))
        outputs = flat(halved(nn.relu(nn.Conv(64, (5, 5))(outputs))))
        outputs = nn.Dropout(0.5, deterministic=not self.dropped)(nn.relu(nn.Dense(1024)(outputs)))
        return nn.Dense(10)(outputs)


class Cifarnet(nn.Module):
    dropped: bool

    @nn.compact
    def __call__(self, images: Any) -> Any:
        outputs = response(halved(nn.relu(nn.Conv(64, (5, 5))(images))))
        outputs = flat(halved(response(nn.relu(nn.Conv(64, (5, 5))(outputs)))))
        outputs = nn.relu(nn.Dense(384, name="fc3")(outputs))
        outputs = nn.Dropout(0.5, deterministic=not self.dropped)(outputs)
        return nn.Dense(10)(nn.relu(nn.Dense(192, name="fc4")(outputs)))


class Resnet20(nn.Module):
    dropped: bool

    @nn.compact
    def __call__(self, images: Any) -> Any:
        outputs = Conv(16, 3)(images)
        for width, strides in ((16, (1, 1, 1)), (32, (2, 1, 1)), (64, (2, 1, 1))):
            for stride in strides:
                beside = Conv(width, 3, act=None)(Conv(width, 3, stride)(outputs))
                if stride > 1:
                    more = (width // 4, width // 4)
                    outputs = jnp.pad(outputs[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), more))
                outputs = nn.relu(outputs + beside)
        return nn.Dense(10)(outputs.mean((1, 2)))


class Mobilenet(nn.Module):
    dropped: bool

    @nn.compact
    def __call__(self, images: Any) -> Any:
        unit = partial(Conv, act=nn.relu6, decay=0.9997, epsilon=0.001)
        widths = (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
        strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
        outputs = unit(8, 3, 2)(images)
        for width, stride in zip(widths, strides, strict=True):
            channels = outputs.shape[-1]
            outputs = unit(channels, 3, stride, channels)(outputs)
            outputs = unit(width, 1)(outputs)
        return nn.Dense(1001)(nn.Dropout(0.001, deterministic=not self.dropped)(outputs.mean((1, 2))))


class Resnet50(nn.Module):
    dropped: bool

    @nn.compact
    def __call__(self, images: Any) -> Any:
        unit = partial(Conv, decay=0.997)
        outputs = unit(64, 7, 2, padding=((3, 3), (3, 3)))(images)
        outputs = nn.max_pool(outputs, (3, 3), (2, 2), "SAME")
        for depth, units, halves in ((64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1)):
            for number in range(units):
                stride = halves if number == units - 1 else 1
                beside = unit(depth, 3, stride, padding=((1, 1), (1, 1)))(unit(depth, 1)(outputs))
                beside = unit(4 * depth, 1, act=None)(beside)
                if number == 0:
                    outputs = unit(4 * depth, 1, stride, act=None)(outputs)
                elif stride > 1:
                    outputs = outputs[:, ::2, ::2]
                outputs = nn.relu(outputs + beside)
        return nn.Dense(1000)(outputs.mean((1, 2)))


def halved(images: Any) -> Any:
    return nn.max_pool(images, (2, 2), (2, 2))


def flat(images: Any) -> Any:
    return images.reshape(len(images), -1)


def response(images: Any) -> Any:
    """Local response normalization over 9 channels; their sum is a product with a band of ones."""
    places = np.arange(images.shape[-1])
    near = (abs(places[:, None] - places) <= 4).astype(np.float32)
    return images / (1.0 + 0.001 / 9 * (images * images @ near)) ** 0.75


NETS = {"mlp": Mlp, "lenet": Lenet, "cifarnet": Cifarnet, "resnet20": Resnet20, "mobilenet": Mobilenet}
NETS |= {"resnet50": Resnet50}


def decays(ask: Asked, path: tuple[str, ...], value: Any) -> bool:
    """Whether a parameter is regularized: kernels, but no depthwise ones, and of CifarNet two only."""
    if ask.net == "cifarnet":
        return path[0] in ("fc3", "fc4") and path[-1] == "kernel"
    return path[-1] == "kernel" and not (value.ndim == 4 and value.shape[2] == 1 < value.shape[3])


def optimizer(ask: Asked, parameters: Any) -> Any:
    flat = flatten_dict(parameters)
    mask = unflatten_dict({path: decays(ask, path, value) for path, value in flat.items()})
    decay = ask.case.weight_decay
    parts = [optax.add_decayed_weights(decay, mask)] if decay else []
    return optax.chain(*parts, optax.sgd(RATE, ask.case.momentum or None))


def checked(parameters: Any) -> Any:
    """The check's weights in place of the kernels."""
    flat = flatten_dict(parameters)
    return unflatten_dict({p: jnp.asarray(kernel(v.shape)) if p[-1] == "kernel" else v for p, v in flat.items()})


def one_step(ask: Asked) -> tuple[int, Callable[[], Any]]:
    model = NETS[ask.net](dropped=not ask.check)
    images, labels = map(jnp.asarray, batch(ask))
    key = jax.random.key(0)
    variables = jax.jit(model.init)({"params": key, "dropout": key}, images)
    parameters = checked(variables["params"]) if ask.check else variables["params"]
    rule = optimizer(ask, parameters)

    def loss_of(parameters: Any, statistics: Any, key: Any, images: Any, labels: Any) -> Any:
        variables = {"params": parameters, **statistics}
        logits, after = model.apply(variables, images, rngs={"dropout": key}, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), after

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, images: Any, labels: Any) -> Any:
        parameters, statistics, moments, number = state
        own = jax.random.fold_in(key, number)
        found = jax.value_and_grad(loss_of, has_aux=True)(parameters, statistics, own, images, labels)
        (loss, statistics), gradients = found
        moves, moments = rule.update(gradients, moments, parameters)
        return (optax.apply_updates(parameters, moves), statistics, moments, number + 1), loss

    statistics = {n: v for n, v in variables.items() if n != "params"}
    state = (parameters, statistics, rule.init(parameters), jnp.int32(0))
    number = sum(p.size for p in jax.tree.leaves(parameters))

    return number, stepping(step, state, images, labels)


if __name__ == "__main__":
    ask = asked()
    tell(ask, *one_step(ask), ("flax", "jax", "jaxlib", "optax", "numpy"))
