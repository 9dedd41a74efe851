"""`tf.train.Example` messages: named lists of bytes, floats or integers, in the wire format of protocol buffers.

Source: TensorFlow, `core/example/example.proto` and `feature.proto`; the protocol buffers' encoding page.
"""

import struct
from collections.abc import Iterator, Mapping

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10
BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3
Value = bytes | float | int


def parse_example(data: bytes) -> Mapping[str, Value]:
    """The first value of each feature of a message, by the feature's name; features without values are left out.

    Raises:
        ValueError: the bytes are no such message.
    """
    found: dict[str, Value] = {}
    for features in _inside(memoryview(data), 1):
        for entry in _inside(features, 1):
            fields = dict(_fields(entry))
            value = next(_values(_bytes_in(fields.get(2, b""))), None)
            if value is not None:
                found[str(_bytes_in(fields.get(1, b"")), "utf-8")] = value
    return found


def _values(feature: memoryview) -> Iterator[Value]:
    for number, inner in _fields(feature):
        for value in _ones(_bytes_in(inner)):
            if number == BYTES_LIST:
                yield bytes(_bytes_in(value))
            elif number == FLOAT_LIST:
                yield _float(value.to_bytes(4, "little") if isinstance(value, int) else value)
            elif number == INT64_LIST:
                whole = value if isinstance(value, int) else _varint(_bytes_in(value), 0)[0]
                yield whole - 2**64 if whole >= 2**63 else whole


def _float(packed: bytes | memoryview) -> float:
    if len(packed) < 4:
        raise ValueError("no tf.train.Example: a list of floats of no length")
    number: float = struct.unpack_from("<f", packed)[0]
    return number


def _bytes_in(value: int | bytes | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("no tf.train.Example: a number stands where a message should")
    return memoryview(value)


def _inside(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The messages or byte strings that stand in a field of a message."""
    return (value for number, value in _fields(message) if number == wanted and isinstance(value, memoryview))


def _ones(message: memoryview) -> Iterator[int | memoryview]:
    return (value for number, value in _fields(message) if number == 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field: an integer, or the bytes inside."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            yield tag >> 3, value
            continue
        if kind == BYTES:
            length, position = _varint(message, position)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"no tf.train.Example: a field of wire type {kind}")
        if length > len(message) - position:
            raise ValueError("no tf.train.Example: a field goes beyond its message")
        inner, position = message[position : position + length], position + length
        yield tag >> 3, inner if kind == BYTES else int.from_bytes(inner, "little")


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """(value, position after it) of an integer of up to ten bytes, seven bits each."""
    value = 0
    for shift, byte in enumerate(message[position : position + LONGEST_VARINT]):
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value % 2**64, position + shift + 1
    raise ValueError("no tf.train.Example: an integer does not end")
