"""Messages and numbers as bytes, whole and cut."""

import numpy as np
import pytest

from slimtrain.wire.protobuf import fields, number, part, signed, text, varint, varints


def written(number: int) -> bytes:
    """A number of variable length, as protocol buffers write it."""
    low = bytes([number & 0x7F | (0x80 if number > 0x7F else 0)])
    return low + written(number >> 7) if number > 0x7F else low


NUMBERS = [0, 1, 127, 128, 300, 2**31, 2**63, 2**64 - 1]


def test_numbers():
    data = memoryview(b"?" + b"".join(map(written, NUMBERS)))
    at, found = 1, []
    while at < len(data):
        value, at = varint(data, at)
        found.append(value)
    assert found == NUMBERS
    assert varints(data[1:]).tolist() == NUMBERS and varints(data[:0]).tolist() == []
    assert [signed(n) for n in (5, 2**64 - 1, 2**63)] == [5, -1, -(2**63)]
    assert varints(data[1:]).dtype == np.uint64


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80" * 11])
def test_numbers_that_do_not_end(data):
    with pytest.raises(ValueError, match="does not end"):
        varint(memoryview(data), 0)
    with pytest.raises(ValueError, match="does not end"):
        varints(memoryview(data + b"\x80"))


def test_fields():
    message = b"\x08\x05" + b"\x12\x03abc" + b"\x1d\1\2\3\4" + b"\x21" + bytes(8)
    found = [(tag, v if isinstance(v, int) else bytes(v)) for tag, v in fields(memoryview(message))]
    assert found == [(1, 5), (2, b"abc"), (3, b"\1\2\3\4"), (4, bytes(8))]


@pytest.mark.parametrize("message", [b"\x12\x04abc", b"\x1d\1\2", b"\x12\xff\xff\xff\xff\x0f", b"\x0b", b"\x0f"])
def test_messages_that_are_none(message):
    with pytest.raises(ValueError, match="cut short|unknown kind"):
        list(fields(memoryview(message)))


def test_fields_of_the_wrong_sort():
    with pytest.raises(ValueError, match="bytes where a number"):
        number(memoryview(b"x"))
    with pytest.raises(ValueError, match="a number where bytes"):
        part(3)
    with pytest.raises(ValueError, match="utf-8"):
        text(memoryview(b"\xff"))
