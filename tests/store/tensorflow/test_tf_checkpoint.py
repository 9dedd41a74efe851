"""Checkpoints that TensorFlow wrote, in both formats: the same bits; damaged and hostile ones: a refusal, soon."""

import random
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from rewrite import plain, table_entries, written

from slimtrain.errors import CheckpointError
from slimtrain.store.tensorflow.checkpoint import open_checkpoint

HERE = Path(__file__).parent
CASES = sorted(p.name for p in (HERE / "files").iterdir())
with np.load(HERE / "values.npz") as archive:
    VALUES = dict(archive)


def values_of(case):
    """What TensorFlow reads; the forms of a case hold the same."""
    start = case.split("_")[0] + ":"
    return {name.removeprefix(start): value for name, value in VALUES.items() if name.startswith(start)}


def read(path):
    found = open_checkpoint(path)
    return dict(found.read([name for name, tensor in found.tensors.items() if tensor.dtype]))


def same(found, case):
    expected = values_of(case)
    return found.keys() <= expected.keys() and all(
        (a.dtype, a.shape, a.tobytes()) == (expected[n].dtype, expected[n].shape, expected[n].tobytes())
        for n, a in found.items()
    )


@pytest.mark.parametrize("case", CASES)
def test_every_bit_is_as_tensorflow_reads_it(case):
    found = read(HERE / "files" / case)
    lacking = values_of(case).keys() - found.keys()
    assert same(found, case) and lacking == ({"kinds/bfloat16", "kinds/uint16"} if case == "kinds_v1" else set())


def test_a_choice_and_what_is_no_number():
    found = open_checkpoint(HERE / "files/kinds")
    assert found.tensors["kinds/text"].dtype is None
    assert [name for name, _ in found.read(["kinds/int8"])] == ["kinds/int8"]
    with pytest.raises(CheckpointError, match="'kinds/text' has"):
        dict(found.read(["kinds/text"]))


DAMAGED = [
    ("momentum", "model.ckpt-3.index"),
    ("momentum_compressed", "model.ckpt-3.index"),
    ("partitioned", "model.ckpt-3.data-00000-of-00001"),
    ("partitioned_v1", "model.ckpt-3"),
]


@pytest.mark.parametrize("case, name", DAMAGED)
def test_damaged_files_are_refused(tmp_path, case, name):
    folder = shutil.copytree(HERE / "files" / case, tmp_path / "c")
    good = (folder / name).read_bytes()
    flipped = [good[:i] + bytes([good[i] ^ 1 << i % 8]) + good[i + 1 :] for i in range(len(good))]
    for number, data in enumerate(flipped + [good[:size] for size in range(0, len(good), 3)]):
        (folder / name).write_bytes(data)
        try:
            # The footer has bytes that fill it up, and the empty block one that nobody reads.
            assert same(read(folder), case) and number < len(good), number
        except CheckpointError as error:
            assert str(error).startswith(str(folder)), error


def mutated(draw, rows):
    """The entries with a few bytes of one key or value changed, dropped, doubled, or a number made large."""
    rows = [list(row) for row in rows]
    row, part = draw.randrange(len(rows)), int(draw.random() < 0.9)
    data = bytearray(rows[row][part])
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(data) + 1)
        choice = draw.randrange(4)
        data[at : at + (choice != 0)] = (
            bytes([draw.randrange(256)]),
            bytes([draw.randrange(256)]),
            b"",
            b"\xff" * draw.randint(1, 9) + b"\x7f",
        )[choice]
    rows[row][part] = bytes(data)
    return sorted(map(tuple, rows))


@pytest.mark.parametrize(
    "case, name", [*DAMAGED[::3], ("kinds_v1", "model.ckpt-3"), ("partitioned", "model.ckpt-3.index")]
)
def test_hostile_files_with_right_checksums_end_soon(tmp_path, case, name):
    folder = shutil.copytree(HERE / "files" / case, tmp_path / "c")
    rows = table_entries((folder / name).read_bytes())
    draw, refused = random.Random(0), 0
    tracemalloc.start()
    try:
        for _ in range(300):
            (folder / name).write_bytes(written([mutated(draw, rows)], plain))
            try:
                read(folder)
            except CheckpointError as error:
                refused += str(error).startswith(str(folder))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert refused > 150
