import random
import struct
from pathlib import Path

import pytest

from slimtrain.data.formats.example import parse_example
from slimtrain.data.formats.tfrecord import records

TF = Path(__file__).parents[1] / "tf"
MESSAGES = [data for _, data in records(TF / "flowers_train_00000-of-00002.tfrecord")]


def field(number: int, inner: bytes) -> bytes:
    assert len(inner) < 128
    return bytes([number << 3 | 2, len(inner)]) + inner


def message(name: str, value: bytes) -> bytes:
    return field(1, field(1, field(1, name.encode()) + field(2, value)))


def test_messages_by_tensorflow() -> None:
    found = [parse_example(data) for data in MESSAGES]
    assert all(set(f) == {f"image/{n}" for n in ("encoded", "format", "class/label", "height", "width")} for f in found)
    assert [f["image/format"] for f in found] == [b"jpeg", b"png", b"raw", b"jpeg"]
    assert [f["image/class/label"] for f in found] == [0, 1, 2, 0]
    assert [f["image/height"] for f in found] == [9, 10, 11, 12]
    assert [bytes(f["image/encoded"])[:3] for f in found[:2]] == [b"\xff\xd8\xff", b"\x89PN"]


@pytest.mark.parametrize(
    "value, first",
    [
        (field(1, field(1, b"one") + field(1, b"two")), b"one"),
        (field(2, field(1, struct.pack("<2f", 1.5, 2.5))), 1.5),
        (field(2, b"\x0d" + struct.pack("<f", -0.25)), -0.25),
        (field(3, field(1, b"\x96\x01\x07")), 150),
        (field(3, b"\x08" + b"\xff" * 9 + b"\x01"), -1),
    ],
)
def test_each_kind_of_list_packed_or_not(value: bytes, first: object) -> None:
    assert parse_example(message("x", value)) == {"x": first}


def test_empty_lists_and_unknown_fields_are_left_out() -> None:
    assert parse_example(b"") == {}
    assert parse_example(message("x", field(3, b"")) + field(9, b"zz") + b"\x51" + bytes(8)) == {}


@pytest.mark.parametrize(
    "data, what",
    [
        (b"\x0a\x7f", "a field goes beyond its message"),
        (b"\x0b", "a field of wire type 3"),
        (b"\xff" * 20, "an integer does not end"),
        (b"\x0a", "an integer does not end"),
        (message("x", field(2, field(1, b"\0\0"))), "a list of floats of no length"),
        (field(1, field(1, b"\x10\x07")), "a number stands where a message should"),
    ],
)
def test_other_bytes_are_refused(data: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse_example(data)


def test_mutated_messages_are_read_or_refused() -> None:
    draw = random.Random(0)
    for _ in range(3000):
        whole = draw.choice(MESSAGES)
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.randrange(1, 8)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        try:
            parse_example(bytes(content))
        except ValueError:
            pass
