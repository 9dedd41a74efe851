"""CRC-32C: known sums, and agreement with the definition at every seam."""

import random
from pathlib import Path

import pytest

from slimtrain.wire.crc32c import LONG, crc32c, masked_crc32c

# RFC 3720, B.4
KNOWN = [
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (b"", 0),
    (b"123456789", 0xE3069283),
]


@pytest.mark.parametrize("data, crc", KNOWN)
def test_known_checksums(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc32c(memoryview(data)) == crc


def test_the_mask_is_that_of_tensorflows_files() -> None:
    file = Path(__file__).parents[1] / "data" / "tf" / "flowers_train_00000-of-00002.tfrecord"
    header = file.read_bytes()[:12]
    assert masked_crc32c(header[:8]) == int.from_bytes(header[8:], "little")


def one_by_one(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize("length", [1, 3, LONG - 1, LONG, LONG + 1, LONG + 255, 3 * LONG + 17])
def test_long_data_is_computed_in_rows_to_the_same_end(length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert crc32c(data) == one_by_one(data)


SIZES = [4, 5, 8187, 8188, 8189, 8191, 8192, 8193, 16383, 16384, 30_000]


@pytest.mark.parametrize("size", SIZES)
def test_sizes_around_rows(size: int) -> None:
    data = random.Random(0).randbytes(30_000)[:size]
    assert crc32c(data) == one_by_one(data)


def test_masked() -> None:
    assert masked_crc32c(b"123456789") == 0xC78AB0E5
