import gzip
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from slimtrain.data.formats.idx import read_idx
from slimtrain.errors import DataError
from slimtrain.wire import npz


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()


IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
WHOLE = idx(IMAGES)


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "images"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_plain_and_gzipped(tmp_path: Path, pack: type[bytes]) -> None:
    read = read_idx(write(tmp_path, pack(WHOLE)), (4, 5))
    np.testing.assert_array_equal(read, IMAGES)
    assert read.dtype == np.uint8


def test_reads_labels(tmp_path: Path) -> None:
    labels = np.array([3, 1, 2], np.uint8)
    np.testing.assert_array_equal(read_idx(write(tmp_path, idx(labels)), ()), labels)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "starts with the bytes '' instead of '00 00 08 03'"),
        (WHOLE[:3], "instead of"),
        (WHOLE[:9], "truncated inside its header"),
        (WHOLE[:-1], "is truncated"),
        (WHOLE + b"x", "extra bytes"),
        (gzip.compress(WHOLE[:-1], mtime=0), "there are 59"),
        (gzip.compress(WHOLE + b"x", mtime=0), "extra bytes"),
        (gzip.compress(WHOLE, mtime=0)[:-9], "cannot be read|is damaged"),
        (gzip.compress(WHOLE, mtime=0)[:-8] + b"\0" * 8, "CRC"),
        (idx(IMAGES, kind=9), "00 00 09 03"),
        (idx(IMAGES[0]), "3 dimensions"),
        (idx(IMAGES[:, :3]), r"shape \[3, 3, 5\], expected \['N', 4, 5\]"),
        (idx(IMAGES[:0]), "N > 0"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 4, 5) + bytes(60), "too many for its size"),
        (b"<html>not found</html>", "3c 68 74 6d"),
    ],
)
def test_refuses_what_the_header_does_not_declare(tmp_path: Path, content: bytes, what: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=what) as caught:
        read_idx(path, (4, 5))
    assert caught.value.problems[0].where == str(path) and caught.value.problems[0].hint


def test_refuses_a_gzip_bomb_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "ALWAYS_ALLOWED", 1000)
    bomb = gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 50_000, 4, 5) + bytes(1_000_000))
    with pytest.raises(DataError, match="too many for its size"):
        read_idx(write(tmp_path, bomb), (4, 5))


def test_a_bomb_behind_a_small_header_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(WHOLE + bytes(50_000_000))
    with pytest.raises(DataError, match="there are more than 60"):
        read_idx(write(tmp_path, bomb), (4, 5))


@pytest.mark.parametrize("whole", [WHOLE, gzip.compress(WHOLE, mtime=0)], ids=["plain", "gzip"])
def test_mutated_bytes_are_read_or_refused(tmp_path: Path, whole: bytes) -> None:
    draw = random.Random(0)
    for _ in range(300):
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(len(whole))])])
        for _ in range(draw.randrange(4) if content else 0):
            content[draw.randrange(len(content))] = draw.randrange(256)
        try:
            assert read_idx(write(tmp_path, bytes(content)), (4, 5)).shape == IMAGES.shape
        except DataError:
            pass
