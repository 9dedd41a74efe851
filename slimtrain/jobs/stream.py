"""Where the batches of a step come from: the device, where the split lives on it, or threads of the host.

On CPUs too: on 2 cores a batch of 128 of MNIST or CIFAR-10 took 0.20 or 0.29 ms to make on the host and hand over, and
0.11 or 0.18 ms to take in the step, which needs no thread beside its own.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from slimtrain.data.batches import chosen_at, eval_chosen
from slimtrain.data.preprocess import pipeline
from slimtrain.data.records import Split
from slimtrain.jobs.feed import Feed
from slimtrain.lazy import jax
from slimtrain.train.devices import room
from slimtrain.train.held import Chosen, Held

SHARE = 0.25
"""How much of the memory that is free a split may take."""
TABLE_BYTES = 4 * 256
"""Bytes that the table of what becomes of images takes for a channel."""


@dataclass(frozen=True)
class Stream:
    """Batches by number. `like` has the form of each; `open` gives those below a number, in a block that it ends with.

    `count` is how many there are in an epoch, or in an evaluation.
    """

    like: Any
    count: int
    open: Callable[[int], AbstractContextManager[Callable[[int], Any]]]

    @property
    def held(self) -> bool:
        """Whether the split lives on the device."""
        return isinstance(self.like, Chosen)


def training(batches: Feed) -> Stream:
    """The training batches by step."""
    split, data, seed = batches.split("train"), batches.asked, batches.document.seed
    if (held := _held(batches, split, training=True)) is None:
        like = _like(batches.trained_examples(split, 1), data.batch_size)
        return Stream(like, batches.epoch_steps, lambda stop: batches.train_batches(split, stop))

    def at(step: int) -> Chosen:
        which = chosen_at(split.size, step, batch_size=data.batch_size, seed=seed, shuffle=data.shuffle)
        return Chosen(held, which, {})

    return Stream(at(0), batches.epoch_steps, lambda stop: nullcontext(at))


def evaluation(batches: Feed, name: str) -> Stream:
    """The batches of an evaluation of a split, by number."""
    split = batches.split(name)
    size, count = batches.eval_size(split), batches.eval_count(split)
    if (held := _held(batches, split, training=False)) is None:
        like = _like(batches.examples(split, 1), size)
        like |= {"mask": _form((size,), np.float32)}
        return Stream(like, count, lambda stop: batches.eval_batches(split, stop))

    def at(number: int) -> Chosen:
        which, mask = eval_chosen(split.size, number, size)
        return Chosen(held, which, {"mask": mask})

    return Stream(at(0), count, lambda stop: nullcontext(at))


def _held(batches: Feed, split: Split, *, training: bool) -> Held | None:
    """The split on the device; None where it does not fit, or its preprocessing is not the device's."""
    images = split.fields["image"]
    fields = split.fields.values()
    if not all(isinstance(field, np.ndarray) for field in fields) or images.ndim < 2:
        return None
    if sum(field.nbytes for field in fields) + TABLE_BYTES * images.shape[-1] > SHARE * room():
        return None
    steps = batches.steps(images.dtype, training)
    if not training:
        steps = [step for step in steps if not pipeline.is_augmentation(step)]
    table = pipeline.table_of(steps, images.shape[-1]) if steps and images.dtype == np.uint8 else None
    if steps and table is None:
        return None
    held: Held = jax.device_put(Held(dict(split.fields), table))  # type: ignore[arg-type]
    return held


def _like(examples: dict[str, Any], size: int) -> dict[str, Any]:
    """The form of a batch of some examples."""
    return {name: _form((size, *values.shape[1:]), values.dtype) for name, values in examples.items()}


def _form(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]
