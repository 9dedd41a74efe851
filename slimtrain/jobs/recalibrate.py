"""`slimtrain eval --recalibrate-bn`: batch norm's statistics from the training split, for the weights as they are."""

from typing import Any

from slimtrain.errors import ConfigError, Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.feed import Feed
from slimtrain.jobs.talk import Talk
from slimtrain.lazy import jnp
from slimtrain.train.devices import compiled_recalibration_step
from slimtrain.train.step import Task


def recalibrated(task: Task, net: Network, batches: Feed, parameters: Any, statistics: Any, talk: Talk) -> Any:
    """The statistics as plain means over one epoch of training batches, augmented and drawn as `fit` draws the first.

    Raises:
        ConfigError: no batch norm whose statistics move.
        DataError: data without a training split.
    """
    updates = net.declaration.updates
    if not updates:
        hint = "evaluate without --recalibrate-bn"
        raise ConfigError(Problem("--recalibrate-bn", "the network has no batch norm whose statistics move", hint))
    collections = tuple(sorted({name for update in updates for name in update.collections or ()}))
    step, examples = compiled_recalibration_step(task, collections), batches.split("train")
    steps = batches.epoch_steps
    with batches.train_batches(examples, steps) as batch_at, talk.bar(steps, 0, "batch", "recalibrating") as advance:
        for number in range(steps):
            statistics = step(parameters, statistics, batch_at(number), jnp.float32(number))
            advance(1, "")
    return statistics
