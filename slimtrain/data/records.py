"""What a source gives: splits of named fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from slimtrain.errors import Problem


@dataclass(frozen=True)
class Pictures:
    """Images of any size that are read when they are wanted: the field of a split, or a part of it.

    Attributes:
        read: the image [H, W, C] of unsigned bytes that has a number in the files; DataError where it is not right.
        numbers: the number of each example.
    """

    read: Callable[[int], NDArray[np.uint8]]
    numbers: NDArray[np.intp]
    dtype: ClassVar[np.dtype[np.uint8]] = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        """The image of one example, read now; or, for a slice or an array, a part that is not read yet."""
        chosen = self.numbers[index]
        return replace(self, numbers=chosen) if isinstance(chosen, np.ndarray) else self.read(int(chosen))


@dataclass(frozen=True)
class Split:
    """Examples by field, each an array [N, ...] or Pictures, with the same N."""

    fields: Mapping[str, Any]

    @property
    def size(self) -> int:
        """How many examples there are."""
        return len(next(iter(self.fields.values())))


@dataclass(frozen=True)
class Dataset:
    """Splits by name (`train`, `test`).

    Attributes:
        splits: the splits.
        classes: how many classes there are, None where labels are no classes.
        names: the classes' names, in the order of their labels; empty where the files have none.
        warnings: what the user should know of the files.
    """

    splits: Mapping[str, Split]
    classes: int | None
    names: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()


def classes_of(splits: Mapping[str, Split]) -> int | None:
    """How many classes whole-number labels count up to, from 0; None where labels are none or are no classes."""
    labels = [split.fields["label"] for split in splits.values() if "label" in split.fields]
    if not labels or any(a.dtype != np.int32 or a.ndim != 1 or a.min() < 0 for a in labels):
        return None
    return 1 + max(int(array.max()) for array in labels)
