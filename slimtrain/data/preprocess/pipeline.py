"""Steps of preprocessing, one after the other."""

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from slimtrain.data.preprocess.images import rescale
from slimtrain.data.randomness import bits

Step = Callable[..., NDArray[Any]]


def default(dtype: DTypeLike) -> tuple[Step, ...]:
    """The steps where a config names none: unsigned bytes become float32 in 0..1, others are left."""
    return (rescale,) if np.dtype(dtype) == np.uint8 else ()


@lru_cache(maxsize=64)
def is_augmentation(step: Step) -> bool:
    """Whether the step takes `random` before its arguments."""
    random = inspect.signature(step).parameters.get("random")
    return random is not None and random.kind is random.POSITIONAL_OR_KEYWORD


def augment_random(seed: int, step: int) -> np.random.Generator:
    """The random numbers for the augmentation of one step's batch, a function of (seed, step)."""
    return np.random.Generator(bits(seed, "augment", step))


def apply(steps: Sequence[Step], images: NDArray[Any], random: np.random.Generator | None = None) -> NDArray[Any]:
    """Runs a batch through the steps.

    Args:
        steps: functions with their arguments bound.
        images: a batch [N, ...].
        random: what augmentations draw from; without it, as in evaluation, they are left out.
    """
    for step in steps:
        if not is_augmentation(step):
            images = step(images)
        elif random is not None:
            images = step(images, random)
    return images
