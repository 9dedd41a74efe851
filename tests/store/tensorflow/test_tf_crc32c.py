"""CRC-32C: known sums, and agreement with the definition at every seam."""

import random

import pytest
from rewrite import crc32c as by_definition

from slimtrain.store.tensorflow.crc32c import crc32c, masked_crc32c

RANDOM = random.Random(0).randbytes(30_000)


@pytest.mark.parametrize("data, known", [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA)])
def test_known_sums(data, known):
    assert crc32c(data) == crc32c(memoryview(data)) == known


@pytest.mark.parametrize("size", [1, 3, 4, 5, 8187, 8188, 8189, 8191, 8192, 8193, 16383, 16384, 30_000])
def test_sizes_around_rows(size):
    assert crc32c(RANDOM[:size]) == by_definition(RANDOM[:size])


def test_masked():
    assert masked_crc32c(b"123456789") == 0xC78AB0E5
