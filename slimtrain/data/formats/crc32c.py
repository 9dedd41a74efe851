"""CRC-32C (Castagnoli), which guards the records of TFRecord files.

Source: RFC 3720, appendix B.4; TensorFlow's `lib/hash/crc32c`.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
ALL = 0xFFFFFFFF
LANES = 256
LONG = 4096
MASK_DELTA = 0xA282EAD8
Words = NDArray[np.uint32]


@cache
def _table() -> Words:
    words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        words = np.where(words & 1, words >> 1 ^ np.uint32(POLYNOMIAL), words >> 1)
    return words


@cache
def _list() -> list[int]:
    return [int(word) for word in _table()]


def crc32c(data: bytes) -> int:
    """The checksum of some bytes."""
    if len(data) >= LONG:
        return _register(_in_lanes(data)) ^ ALL
    register, table = ALL, _list()
    for byte in data:
        register = table[(register ^ byte) & 255] ^ register >> 8
    return register ^ ALL


def masked(data: bytes) -> int:
    """The checksum as TFRecord files store it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & ALL


def _in_lanes(data: bytes) -> NDArray[np.uint8]:
    """The bytes in LANES rows, filled up in front: zeros change no register at 0; its start is in the first 4 bytes."""
    size = -(-len(data) // LANES) * LANES
    lanes = np.zeros(size, np.uint8)
    lanes[size - len(data) :] = np.frombuffer(data, np.uint8)
    lanes[size - len(data) :][:4] ^= 255
    return lanes.reshape(LANES, -1)


def _register(lanes: NDArray[np.uint8]) -> int:
    """The register after all rows: of each row by itself, then neighbours joined until one is left."""
    registers, table = np.zeros(len(lanes), np.uint32), _table()
    for column in lanes.T:
        registers = table[(registers ^ column) & 255] ^ registers >> 8
    step = _zeros(lanes.shape[1])
    while len(registers) > 1:
        registers = _moved(step, registers[::2]) ^ registers[1::2]
        step = _moved(step, step)
    return int(registers[0])


def _zeros(count: int) -> Words:
    """What `count` bytes of zeros make of each of the register's bits."""
    words, table = np.uint32(1) << np.arange(32, dtype=np.uint32), _table()
    for _ in range(count):
        words = table[words & 255] ^ words >> 8
    return words


def _moved(step: Words, registers: Words) -> Words:
    """Registers after as many bytes of zeros as `step` stands for."""
    moved = np.zeros_like(registers)
    for bit in range(32):
        moved ^= np.where(registers >> np.uint32(bit) & 1, step[bit], np.uint32(0))
    return moved
