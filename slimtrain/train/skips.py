"""Steps that are left out since their numbers are not finite: how many, and which were the first."""

from typing import Any, NamedTuple

from slimtrain.lazy import Array, jnp

REMEMBERED = 3
"""How many skipped steps a state names; the batches of these are kept."""


class Skips(NamedTuple):
    """`row` is how many of the last steps were skipped, without one between that was not; `total` is how many ever.

    `first` [REMEMBERED] holds the numbers, from 1, of the first ones; 0 where there are fewer.
    """

    row: Array
    total: Array
    first: Array


def none_skipped() -> Skips:
    """The count before the first step."""
    return Skips(jnp.int32(0), jnp.int32(0), jnp.zeros((REMEMBERED,), jnp.int32))


def skipped(skips: Skips, good: Array, step: Array) -> Skips:
    """The count after a step of this number, from 1."""
    place = jnp.where(good, REMEMBERED, jnp.minimum(skips.total, REMEMBERED))
    return Skips(
        jnp.where(good, 0, skips.row + 1),
        skips.total + jnp.where(good, 0, 1),
        skips.first.at[place].set(step, mode="drop"),
    )


def updates_of(step: Any, skips: Skips | None) -> Any:
    """How many of these steps moved the weights: what schedules and moving averages go by."""
    return step if skips is None else step - skips.total
