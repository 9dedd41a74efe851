"""What a source gives: splits of named fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """Examples by field, each array [N, ...] with the same N."""

    fields: Mapping[str, NDArray[Any]]

    @property
    def size(self) -> int:
        """How many examples there are."""
        return len(next(iter(self.fields.values())))


@dataclass(frozen=True)
class Dataset:
    """Splits by name (`train`, `test`); `classes` is how many there are, None where labels are no classes."""

    splits: Mapping[str, Split]
    classes: int | None
