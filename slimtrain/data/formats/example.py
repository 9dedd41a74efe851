"""`tf.train.Example` messages: named lists of bytes, floats or integers.

Source: TensorFlow, `core/example/example.proto` and `feature.proto`.
"""

import struct
from collections.abc import Iterator, Mapping

from slimtrain.wire.protobuf import fields, part, signed, text, varint

BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3
Value = bytes | float | int


def parse_example(data: bytes) -> Mapping[str, Value]:
    """The first value of each feature of a message, by the feature's name; features without values are left out.

    Raises:
        ValueError: the bytes are no such message.
    """
    try:
        return _parsed(memoryview(data))
    except ValueError as error:
        raise ValueError(f"no tf.train.Example: {error}") from None


def _parsed(example: memoryview) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    for features in _inside(example):
        for entry in _inside(features):
            pair = dict(fields(entry))
            value = next(_values(part(pair.get(2, memoryview(b"")))), None)
            if value is not None:
                found[text(pair.get(1, memoryview(b"")))] = value
    return found


def _values(feature: memoryview) -> Iterator[Value]:
    for kind, inner in fields(feature):
        for number, value in fields(part(inner)):
            if number != 1:
                continue
            if kind == BYTES_LIST:
                yield bytes(part(value))
            elif kind == FLOAT_LIST:
                yield _float(part(value))
            elif kind == INT64_LIST:
                yield signed(value if isinstance(value, int) else varint(value, 0)[0])


def _float(packed: memoryview) -> float:
    if len(packed) < 4:
        raise ValueError("a list of floats of no length")
    number: float = struct.unpack_from("<f", packed)[0]
    return number


def _inside(message: memoryview) -> Iterator[memoryview]:
    """The messages that stand in field 1 of a message."""
    return (value for number, value in fields(message) if number == 1 and isinstance(value, memoryview))
