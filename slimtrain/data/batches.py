"""Batches as a function of the step: the order is one of (seed, epoch), the position one of the step.

So resuming needs nothing but the step.
"""

from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.data.randomness import bits
from slimtrain.data.records import Split
from slimtrain.errors import DataError, Problem

Batch = dict[str, Any]


@lru_cache(maxsize=2)
def order(size: int, seed: int, epoch: int, shuffle: bool) -> NDArray[np.int32]:
    """The order of the examples in one epoch, read-only.

    Args:
        size: number of examples.
        seed: the run's seed.
        epoch: which epoch, from 0.
        shuffle: permute; else the order of the files.
    """
    # Sorting raw bits: NumPy keeps these the same for ever, but not what its `permutation` makes of them.
    drawn = bits(seed, "order", epoch).random_raw(size).argsort(kind="stable") if shuffle else np.arange(size)
    chosen = drawn.astype(np.int32)
    chosen.setflags(write=False)
    return chosen


def steps_per_epoch(size: int, batch_size: int) -> int:
    """How many full batches an epoch has; the rest of its order is dropped, another rest each epoch.

    Raises:
        DataError: there are fewer examples than a batch takes.
    """
    if size < batch_size:
        what = f"a batch of {batch_size} is more than the {size} examples there are"
        raise DataError(Problem("data.batch_size", what, f"set data.batch_size to {size} or less"))
    return size // batch_size


def batch_at(split: Split, step: int, *, batch_size: int, seed: int, shuffle: bool) -> Batch:
    """The training batch of one step, in fresh arrays; pictures are not read yet.

    Args:
        split: examples to take from.
        step: which step of the run, from 0.
        batch_size: examples in a batch.
        seed: the run's seed.
        shuffle: whether each epoch has an order of its own.

    Raises:
        DataError: there are fewer examples than a batch takes.
    """
    return _take(split, chosen_at(split.size, step, batch_size=batch_size, seed=seed, shuffle=shuffle))


def chosen_at(size: int, step: int, *, batch_size: int, seed: int, shuffle: bool) -> NDArray[np.int32]:
    """The numbers of the examples in the training batch of one step; arguments and errors as `batch_at` has them."""
    epoch, position = divmod(step, steps_per_epoch(size, batch_size))
    start = position * batch_size
    return order(size, seed, epoch, shuffle)[start : start + batch_size]


def eval_count(split: Split, batch_size: int) -> int:
    """How many batches hold all examples."""
    return ceil(split.size / batch_size)


def eval_batch(split: Split, number: int, batch_size: int) -> Batch:
    """One batch of an evaluation, which takes all examples once, in order, in batches of one size.

    The last batch is filled up with the last example; the field `mask` [batch_size], float32, is 1 where an
    example counts and 0 where it only fills.

    Args:
        split: examples to take.
        number: which batch, from 0.
        batch_size: examples in a batch, from 1.
    """
    chosen, mask = eval_chosen(split.size, number, batch_size)
    return _take(split, chosen) | {"mask": mask}


def eval_chosen(size: int, number: int, batch_size: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(the numbers of the examples in one batch of an evaluation, its mask), as `eval_batch` has them."""
    indices = np.arange(number * batch_size, (number + 1) * batch_size, dtype=np.int32)
    return np.minimum(indices, size - 1), (indices < size).astype(np.float32)


def _take(split: Split, indices: NDArray[np.int32]) -> Batch:
    return {name: array[indices] for name, array in split.fields.items()}
