"""Protocol buffers as bytes: variable-length whole numbers, and the fields of a message.

Source: the protocol buffers' encoding page.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = int | memoryview
_LONGEST = 10
_FIXED = {1: 8, 5: 4}


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """(the number that begins at `at`, where it ends); raises ValueError for one that does not end."""
    number = 0
    for index, byte in enumerate(data[at : at + _LONGEST]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    raise ValueError("in it an integer does not end")


def signed(number: int) -> int:
    """A number of 64 bits with its sign."""
    number &= 0xFFFFFFFFFFFFFFFF
    return number - (1 << 64) if number >> 63 else number


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """(field number, value) in order: a whole number, or the bytes of a text, message, packed list or fixed number.

    Raises:
        ValueError: it is no message, or one that is cut.
    """
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(message, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = varint(message, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"in it is a field of wire type {kind}, an unknown kind")
        if size > len(message) - at:
            raise ValueError("in it a field goes beyond its message: it is cut short")
        yield key >> 3, message[at : at + size]
        at += size


def number(value: Value) -> int:
    """A field's value that has to be a whole number."""
    if not isinstance(value, int):
        raise ValueError("in it a message holds bytes where a number belongs")
    return value


def part(value: Value) -> memoryview:
    """A field's value that has to be bytes."""
    if isinstance(value, int):
        raise ValueError("in it a number stands where a message should, a number where bytes belong")
    return value


def text(value: Value) -> str:
    """A field's value that has to be UTF-8."""
    return part(value).tobytes().decode()


def varints(packed: memoryview) -> NDArray[Any]:
    """A packed list of whole numbers of up to 64 bits, as unsigned ones."""
    data = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(data < 0x80) + 1
    starts = np.concatenate([[0], ends[:-1]])
    sizes = ends - starts
    if len(data) and (not len(ends) or ends[-1] < len(data) or sizes.max() > _LONGEST):
        raise ValueError("in it an integer does not end")
    numbers = np.zeros(len(ends), np.uint64)
    for index in range(int(sizes.max(initial=0))):
        there = sizes > index
        numbers[there] |= (data[starts[there] + index].astype(np.uint64) & 0x7F) << np.uint64(7 * index)
    return numbers
