"""A split that lives on the device: a step is told which examples it takes, and takes them itself."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from slimtrain.lazy import Array, jnp, lax
from slimtrain.net.passes import Arrays


class Held(NamedTuple):
    """The fields of a whole split, and what becomes of the bytes of its images.

    `table` is [256], or [256, channels]: what preprocessing makes of each unsigned byte; None where it leaves them.
    """

    fields: Arrays
    table: Array | None


class Chosen(NamedTuple):
    """A batch that is still to be taken: where from, the numbers of its examples, fields that are its own (`mask`).

    Those of several batches may lie one on top of the other, in a further first axis of `which` and `own`.
    """

    held: Held
    which: Any
    own: dict[str, Any]


def taken(batch: Any) -> Any:
    """A batch with its examples, bit for bit as the host would make it; one that has them is left as it is."""
    if not isinstance(batch, Chosen):
        return batch
    fields = {name: _rows(values, batch.which) for name, values in batch.held.fields.items()}
    if (table := batch.held.table) is not None:
        fields["image"] = _looked_up(table, fields["image"])
    # Without the barrier the compiler would fuse this into the step and round otherwise than where the host does it.
    return lax.optimization_barrier({**fields, **batch.own})  # type: ignore[no-untyped-call]


def _rows(values: Array, which: Array) -> Array:
    return values.at[which].get(mode="promise_in_bounds")


def _looked_up(table: Array, images: Array) -> Array:
    places = (images,) if table.ndim == 1 else (images, jnp.arange(images.shape[-1]))
    return table.at[places].get(mode="promise_in_bounds")


def stacked(batches: Sequence[Chosen]) -> Chosen:
    """Batches of one split, one on top of the other."""
    own = {name: np.stack([batch.own[name] for batch in batches]) for name in batches[0].own}
    return Chosen(batches[0].held, np.stack([batch.which for batch in batches]), own)
