"""Batch norm's statistics computed anew: plain means over batches, for weights that stay as they are."""

from slimtrain.lazy import Array, jax
from slimtrain.net.modes import averaging
from slimtrain.net.passes import Arrays, apply
from slimtrain.train.step import Batch, Task


def recalibration_step(
    task: Task, collections: tuple[str, ...], parameters: Arrays, statistics: Arrays, batch: Batch, passes: Array
) -> Arrays:
    """The statistics after one more batch, in training mode: each the mean of this batch's and of those before.

    Args:
        task: the network.
        collections: the collections of all updates; those that are in place take effect anyway.
        parameters: the weights.
        statistics: the means so far; what they start with does not count.
        batch: a training batch.
        passes: how many batches went before.
    """
    _, after, _ = apply(
        averaging(task.forward, passes),
        parameters,
        statistics,
        batch,
        training=True,
        key=jax.random.fold_in(jax.random.key(0), passes),
        update_ops=collections,
        scope=task.scope,
    )
    return after
