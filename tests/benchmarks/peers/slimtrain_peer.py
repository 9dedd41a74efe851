"""slimtrain's side of the check, and its FLOPs: `slimtrain time` tells the time, this what is timed."""

import json
from math import prod
from typing import Any

import numpy as np
from measuring import CHECKED_STEPS, asked, batch, kernel

from slimtrain import load
from slimtrain.jobs.build import ABSTRACT_BATCH, make_task, network
from slimtrain.train.devices import compiled_train_step
from slimtrain.train.step import start


def weights(parameters: Any) -> Any:
    """The check's start; a depthwise kernel is [height, width, channels, 1] here."""
    return {name: _start(name, value) for name, value in parameters.items()}


def _start(name: str, value: Any) -> Any:
    if name.endswith("biases"):
        return np.zeros_like(value)
    if value.ndim < 2:
        return value
    height, width, *more = value.shape if value.ndim == 4 else (1, *value.shape)
    if name.endswith("depthwise_weights"):
        return kernel((height, width, 1, more[0])).reshape(value.shape)
    return kernel(value.shape)


def cross_entropy(metrics: Any) -> float:
    """The loss without the regularizers'."""
    return float(next((v for n, v in metrics.items() if n.startswith("losses/") and "soft" in n), metrics["loss"]))


ask = asked()
document = load(ask.case.config, [*ask.case.overrides, *ask.case.undropped])
net = network(document)
task = make_task(document, net)
trainable = sum(prod(spec.shape) for spec in task.specs.values() if spec.trainable)
images, labels = batch(ask)
state = start(task, 0)
state = state._replace(parameters={n: np.asarray(v) for n, v in weights(state.parameters).items()})
step, losses = compiled_train_step(task), []
for _ in range(CHECKED_STEPS):
    state, metrics = step(state, {"image": images, "label": labels})
    losses.append(cross_entropy(metrics))
flops = net.declaration.flops // ABSTRACT_BATCH
print(json.dumps({"losses": losses, "parameters": trainable, "flops": flops}))
