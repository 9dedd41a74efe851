"""Tables: plain and compressed ones, and every way in which a few bytes can promise too much."""

import sys

import pytest
from rewrite import number, plain, sealed, snapped, written

from slimtrain.errors import CheckpointError
from slimtrain.store.tensorflow.table import entries, is_table

ROWS = [(f"key/{i:03d}".encode(), bytes([i]) * (i % 7)) for i in range(100)]
BLOCKS = [ROWS[i : i + 9] for i in range(0, 100, 9)]


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a table, from a real file."""

    def from_bytes(data):
        (tmp_path / "table").write_bytes(data)
        with open(tmp_path / "table", "rb") as file:
            return [(key, bytes(value)) for key, value in entries(file)]

    return from_bytes


@pytest.mark.parametrize("pack", [plain, snapped])
def test_entries_come_back(read, pack):
    assert read(written(BLOCKS, pack)) == ROWS


def test_compression_without_its_library(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(CheckpointError, match=r"needs the package cramjam; pip install 'slimtrain\[tf\]'"):
        read(written(BLOCKS, snapped))
    assert read(written(BLOCKS, plain)) == ROWS


def test_what_is_no_table(read, tmp_path):
    for data in (b"", b"short", bytes(48), b"PK\3\4" * 20):
        with pytest.raises(ValueError, match="does not end as a checkpoint"):
            read(data)
        with open(tmp_path / "table", "rb") as file:
            assert not is_table(file)


def footer(*numbers):
    return b"".join(map(number, numbers)).ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def overlapping():
    """A thousand blocks of 64 KiB, which are all the same one."""
    one = sealed(b"\0\0\x80\x80\x04" + bytes(1 << 16) + b"\0\0\0\0\1\0\0\0", 0)
    span = number(0) + number(len(one) - 5)
    index = b"".join(b"\0\2" + number(len(span)) + i.to_bytes(2, "big") + span for i in range(1000))
    index = sealed(index + b"\0\0\0\0\1\0\0\0", 0)
    return one + index + footer(0, 0, len(one), len(index) - 5)


def spelled_long():
    """Keys that share 4,000 bytes with the one before: five bytes a name."""
    first = number(0) + number(4000) + number(0) + b"a" * 4000
    rest = b"".join(number(4000) + number(3) + number(0) + i.to_bytes(3, "big") for i in range(30_000))
    content = sealed(first + rest + b"\0\0\0\0\1\0\0\0", 0)
    span = number(0) + number(len(content) - 5)
    index = sealed(b"\0\1" + number(len(span)) + b"z" + span + b"\0\0\0\0\1\0\0\0", 0)
    return content + index + footer(0, 0, len(content), len(index) - 5)


def one_block(content, kind=0):
    data = sealed(content, kind)
    span = number(0) + number(len(data) - 5)
    index = sealed(b"\0\1" + number(len(span)) + b"z" + span + b"\0\0\0\0\1\0\0\0", 0)
    return data + index + footer(0, 0, len(data), len(index) - 5)


END = b"\0\0\0\0\1\0\0\0"
HOSTILE = {
    "beyond its end": footer(0, 0, 1 << 60, 1 << 60),
    "blocks overlap": overlapping(),
    "too many names": spelled_long(),
    "no room for the restarts": one_block(b"\xff\xff\xff\xff"),
    "too short": one_block(b"\0"),
    "an entry beyond the block": one_block(b"\0\1\x7fa" + END),
    "shares what is not there": one_block(b"\5\1\0a" + END),
    "a name too long": one_block(number(0) + number(5000) + number(0) + bytes(5000) + END),
    "keys twice": one_block(b"\0\1\0a\0\1\0a" + END),
    "keys not in order": one_block(b"\0\1\0b\0\1\0a" + END),
    "an unknown compression": one_block(END, 2),
    "a bomb": one_block(number(1 << 40) + b"\0a", 1),
    "a false size": one_block(number(30) + b"\0a", 1),
    "a number without end": one_block(b"\x80" * 12 + END),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_tables_are_refused(read, data):
    with pytest.raises(ValueError, match="it |in it|its "):
        read(data)


@pytest.mark.parametrize("pack", [plain, snapped])
def test_no_flipped_bit_changes_an_entry(read, pack):
    good = written(BLOCKS[:3], pack)
    for at in range(len(good)):
        try:
            found = read(good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
        except ValueError:
            continue
        # A byte that nothing reads: of the list of further tables, or of what fills the footer up.
        assert found == ROWS[:27] and at >= len(good) - 48 - 100


def test_no_part_of_a_table_is_one(read):
    good = written(BLOCKS[:3], plain)
    for size in range(len(good)):
        with pytest.raises(ValueError):
            read(good[:size])
