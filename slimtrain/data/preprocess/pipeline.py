"""Steps of preprocessing, one after the other."""

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from slimtrain.data.preprocess.images import rescale
from slimtrain.data.randomness import bits
from slimtrain.errors import DataError, Problem

Step = Callable[..., NDArray[Any]]
Random = Callable[[int], np.random.Generator]
Each = Callable[[Callable[[int], Any], int], list[Any]]
"""Calls a function with 0, 1, ... up to a count and lists what it gives."""


def default(dtype: DTypeLike) -> tuple[Step, ...]:
    """The steps where a config names none: unsigned bytes become float32 in 0..1, others are left."""
    return (rescale,) if np.dtype(dtype) == np.uint8 else ()


@lru_cache(maxsize=64)
def is_augmentation(step: Step) -> bool:
    """Whether the step takes `random` before its arguments."""
    random = inspect.signature(step).parameters.get("random")
    return random is not None and random.kind is random.POSITIONAL_OR_KEYWORD


@lru_cache(maxsize=64)
def is_for_one(step: Step) -> bool:
    """Whether the step takes one `image` of any size; others take a batch of `images` of one size."""
    return next(iter(inspect.signature(step).parameters), "") == "image"


def is_pointwise(step: Step) -> bool:
    """Whether each value that the step makes depends on the one in its place, and on its channel, alone."""
    description = getattr(getattr(step, "func", step), "__slimtrain__", None)
    return description is not None and bool(description.facts.get("pointwise"))


def table_of(steps: Sequence[Step], channels: int) -> NDArray[Any] | None:
    """What the steps make of unsigned bytes: [256], or [256, channels]; None where that is not all that they do."""
    if not all(map(is_pointwise, steps)):
        return None
    every = np.repeat(np.arange(256, dtype=np.uint8)[:, None], channels, axis=1)
    found = apply(steps, every)
    return np.ascontiguousarray(found[:, 0]) if (found == found[:, :1]).all() else found


def augment_random(seed: int, step: int, part: int = 0) -> np.random.Generator:
    """The random numbers for the augmentation of one step's batch, a function of (seed, step).

    Args:
        seed: the run's seed.
        step: which step, from 0.
        part: 0 for what is drawn for the batch together, from 1 for what is drawn for each of its examples.
    """
    return np.random.Generator(bits(seed, "augment", step, part))


def one_by_one(function: Callable[[int], Any], count: int) -> list[Any]:
    """Calls `function` with 0, 1, ... below `count`, here and in order."""
    return [function(number) for number in range(count)]


def apply(steps: Sequence[Step], images: Any, random: Random | None = None, each: Each = one_by_one) -> NDArray[Any]:
    """Runs a batch through the steps.

    Args:
        steps: functions with their arguments bound.
        images: a batch [N, ...], or Pictures.
        random: gives what augmentations draw from, `random(0)` for the batch and `random(1 + n)` for its
            example n; without it, as in evaluation, they are left out.
        each: what calls a function for every example; it may do so in threads, for no example depends on another.

    Raises:
        DataError: an image cannot be read, or the images differ in size where they should not.
    """
    steps = [step for step in steps if random is not None or not is_augmentation(step)]
    numbers = range(len(images) if any(map(is_for_one, steps)) else 0)
    own = [random(1 + number) for number in numbers] if random else [None for _ in numbers]
    whole = random(0) if random else None
    for for_one, some in groupby(steps, is_for_one):
        group = list(some)
        if for_one:
            images = stacked(each(partial(_one, group, images, own), len(images)))
        else:
            images = _through(group, _whole(images, each), whole)
    return _whole(images, each)


def _one(steps: Sequence[Step], images: Any, own: Sequence[Any], number: int) -> NDArray[Any]:
    return _through(steps, images[number], own[number])


def _through(steps: Sequence[Step], images: NDArray[Any], random: Any) -> NDArray[Any]:
    for step in steps:
        images = step(images, random) if is_augmentation(step) else step(images)
    return images


def _whole(images: Any, each: Each) -> NDArray[Any]:
    return images if isinstance(images, np.ndarray) else stacked(each(images.__getitem__, len(images)))


def stacked(images: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Images of one size as a batch; raises DataError where they differ."""
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        what = f"images of {len(shapes)} sizes in a batch, {list(shapes[0])} and {list(shapes[-1])} among them"
        raise DataError(Problem("data.preprocess", what, "bring them to one size before: {resize: 224}, say"))
    return np.stack(images)
