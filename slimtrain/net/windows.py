"""The windows of a pool: which inputs each of their elements falls on, and how values of windows go back to inputs.

A tap is one element of all windows at once: a strided slice of the inputs. On the way back the inputs are cut into
blocks as long as the stride. All inputs of a block lie in the window that starts there and in those of a few blocks
before it, or not at all: so values of windows are repeated over blocks, shifted and added up, without a scatter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from slimtrain.lazy import Array, jnp, lax

LARGEST = 2**27
"""Places that are pooled over, or elements of a window: each window of an average is counted."""


@dataclass(frozen=True)
class Axis:
    """Windows along one axis of `length` inputs: `count` windows of `size` elements, `stride` from window to window,
    `rate` from element to element, `before` of the first window on padding."""

    length: int
    count: int
    size: int
    stride: int
    rate: int
    before: int

    @property
    def blocks(self) -> int:
        """Blocks of `stride` inputs, from the first window's start on."""
        return -(-(self.length + self.before) // self.stride)

    def tap(self, place: int) -> tuple[slice, slice]:
        """The inputs that element `place` of the windows falls on, and the windows that it does not have on padding."""
        offset = place * self.rate - self.before
        first = max(0, -(offset // self.stride))
        end = min(self.count, (self.length - 1 - offset) // self.stride + 1)
        inputs = slice(first * self.stride + offset, (end - 1) * self.stride + offset + 1, self.stride)
        return inputs, slice(first, end)

    def seen(self) -> np.ndarray:
        """How many inputs each window has; along batch and channels, where all have one, one number for all."""
        if self.size == 1:
            return np.ones(1, int)
        # Where there are several windows, the stride is no longer than the inputs.
        start = np.arange(self.count) * min(self.stride, self.length) - self.before
        first = np.maximum(0, -(start // self.rate))
        end = np.minimum(self.size, (self.length - 1 - start) // self.rate + 1)
        return np.asarray(np.maximum(0, end - first))

    def shifts(self) -> dict[int, np.ndarray]:
        """By the number of blocks back to a window: which element of it each input of a block is, -1 for none."""
        found: dict[int, np.ndarray] = {}
        for place in range(self.size):
            back, within = divmod(place * self.rate, self.stride)
            found.setdefault(back, np.full(self.stride, -1))[within] = place
        return found


Axes = tuple[Axis, ...]


def windows(
    shape: Sequence[int],
    size: Sequence[int],
    stride: Sequence[int],
    padding: str,
    data_format: str,
    rate: Sequence[int] | None = None,
) -> Axes:
    """The windows over inputs of a shape, an entry an axis; along batch and channels they are one element long."""
    sizes, strides = over_space(size, data_format), over_space(stride, data_format)
    rates = over_space(rate or [1] * len(size), data_format)
    each = zip(shape, sizes, strides, rates, strict=True)
    return tuple(_axis(n, k, s, r, padding) for n, k, s, r in each)


def over_space(values: Sequence[int], data_format: str) -> tuple[int, ...]:
    """One value an axis: those given for the spatial ones, 1 for batch and channels."""
    rest = iter(values)
    return tuple(1 if axis in "NC" else next(rest) for axis in data_format)


def _axis(length: int, size: int, stride: int, rate: int, padding: str) -> Axis:
    reach = 1 + (size - 1) * rate
    if padding == "VALID":
        count, before = (length - reach) // stride + 1, 0
    else:
        count = -(-length // stride)
        before = max((count - 1) * stride + reach - length, 0) // 2
    # A single window may take any stride; one as long as it makes a single block.
    return Axis(length, count, size, max(stride, reach) if count == 1 else stride, rate, before)


@dataclass(frozen=True)
class Tap:
    """One element of all windows: its number, the last axis counted first; the inputs that it falls on, and in which
    windows it does; in the others it is padding."""

    number: int
    inputs: tuple[slice, ...]
    windows: tuple[slice, ...]

    def placed(self, values: Array, axes: Axes, fill: Any) -> Array:
        """Values of the windows where it is an input as values of all windows, the others `fill`."""
        edges = [(part.start, axis.count - part.stop, 0) for part, axis in zip(self.windows, axes, strict=True)]
        return lax.pad(values, jnp.asarray(fill, values.dtype), edges)


def taps(axes: Axes) -> Iterator[Tap]:
    """The elements of the windows in order, without those that are padding in all."""
    for number, places in enumerate(np.ndindex(*[axis.size for axis in axes])):
        parts = [axis.tap(place) for axis, place in zip(axes, places, strict=True)]
        if all(seen.start < seen.stop for _, seen in parts):
            yield Tap(number, tuple(inputs for inputs, _ in parts), tuple(seen for _, seen in parts))


def cut(values: Array, parts: Sequence[slice]) -> Array:
    """A slice of an array; unlike indexing, never a gather."""
    return lax.slice(values, *zip(*[(p.start, p.stop, p.step or 1) for p in parts], strict=True))


def spread(axes: Axes, values: Array, chosen: Array | None = None) -> Array:
    """Gives each window's value to its elements, and adds up what each input gets.

    Args:
        axes: the windows.
        values: one a window.
        chosen: the number of the one element of each window that gets it; all do where omitted.
    """
    absent = prod(axis.size for axis in axes)
    shifts = list(_shifts(axes, absent))
    most = [max(backs) for backs in zip(*(backs for backs, _ in shifts), strict=True)]
    edges = [(m, axis.blocks - axis.count, 0) for m, axis in zip(most, axes, strict=True)]
    values = lax.pad(values, jnp.zeros((), values.dtype), edges)
    if chosen is not None:
        chosen = lax.pad(chosen, jnp.asarray(absent + 1, chosen.dtype), edges)
        # Else XLA's compiler for CPUs finds the chosen elements anew for every use of them.
        values, chosen = lax.optimization_barrier((values, chosen))  # type: ignore[no-untyped-call]
    total = jnp.zeros((), jnp.promote_types(values.dtype, jnp.float32))
    for backs, numbers in shifts:
        here = [slice(m - b, m - b + axis.blocks) for m, b, axis in zip(most, backs, axes, strict=True)]
        given = _repeated(cut(values, here), axes)
        if chosen is not None:
            given = jnp.where(_repeated(cut(chosen, here), axes) == jnp.asarray(numbers, chosen.dtype), given, 0)
        elif np.any(numbers == absent):
            given = jnp.where(jnp.asarray(numbers != absent), given, 0)
        total = total + given.astype(total.dtype)
    whole = total.reshape([axis.blocks * axis.stride for axis in axes])
    return cut(whole, [slice(axis.before, axis.before + axis.length) for axis in axes]).astype(values.dtype)


def _shifts(axes: Axes, absent: int) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Axis.shifts over all axes: the blocks back along each, and the numbers of a block's elements, as `_repeated`."""
    tables = [axis.shifts() for axis in axes]
    for backs in product(*tables):
        numbers, there = np.zeros((), int), np.ones((), bool)
        for axis, table, back in zip(axes, tables, backs, strict=True):
            places = table[back]
            numbers = np.add.outer(numbers * axis.size, places)
            there = np.logical_and.outer(there, places >= 0)
        inside = [n for axis in axes for n in (1, axis.stride)]
        yield backs, np.where(there, numbers, absent).reshape(inside)


def _repeated(values: Array, axes: Axes) -> Array:
    """A value a block as one an input: an axis over the blocks and one inside them, for each axis."""
    apart = values.reshape([n for axis in axes for n in (axis.blocks, 1)])
    return jnp.broadcast_to(apart, [n for axis in axes for n in (axis.blocks, axis.stride)])
