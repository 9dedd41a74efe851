"""What sources of encoded images share: splits whose images are read when they are wanted."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slimtrain.data.ahead import workers
from slimtrain.data.formats.files import refusal
from slimtrain.data.records import Pictures, Split
from slimtrain.errors import DataError, Problem
from slimtrain.machine import cores

Channels = Literal[1, 3]
OnError = Literal["fail", "skip"]
SPLITS = {"train": ("train",), "test": ("test", "validation", "val")}
"""Names under which files have a split; the first that is there is taken."""


def encoded_split(
    place: Path, read: Callable[[int], NDArray[np.uint8]], labels: Sequence[int], on_error: OnError
) -> tuple[Split, tuple[Problem, ...]]:
    """A split of images with labels, and a warning of those that were left out.

    Args:
        place: where the files are, for messages.
        read: the image of a number.
        labels: the label of each number.
        on_error: `skip` reads every image once, now, and leaves out those that cannot be decoded.

    Raises:
        DataError: there are no images, or none that can be read.
    """
    refused = _refused(read, len(labels)) if on_error == "skip" else {}
    numbers = np.array([n for n in range(len(labels)) if n not in refused], np.intp)
    if not len(numbers):
        raise refusal(place, "holds no image that can be read", "check 'path'")
    split = Split({"image": Pictures(read, numbers), "label": np.array(labels, np.int32)[numbers]})
    return split, left_out(place, list(refused.values()), len(labels))


def left_out(place: Path, refused: Sequence[Problem], of: int) -> tuple[Problem, ...]:
    """A warning of images that were left out, with the first reason; none where none was."""
    if not refused:
        return ()
    first = f"{refused[0].where} {refused[0].what}"
    told = f"left out {len(refused)} of {of} images, which cannot be read; the first: {first}"
    return (Problem(str(place), told, "repair them or take them away", severity="warning"),)


def _refused(read: Callable[[int], NDArray[np.uint8]], count: int) -> dict[int, Problem]:
    def refused(number: int) -> Problem | None:
        try:
            read(number)
        except DataError as error:
            return error.problems[0]
        return None

    with workers(cores()) as each:
        return {number: problem for number, problem in enumerate(each(refused, count)) if problem}
