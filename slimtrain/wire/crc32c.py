"""CRC-32C as LevelDB and TensorFlow store it: a few bytes by a table, many by numpy, since a loop would take minutes.

The register is linear over bits, so many bytes are taken as rows of words: each row steps all words of the register
at once by the length of a row, and at the end the words are folded into one.

Source: RFC 3720, appendix B.4; TensorFlow's `lib/hash/crc32c`.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint32]

_POLYNOMIAL = 0x82F63B78
# Takes the register from 0 to the all ones that the sum starts with; zeros before it change nothing.
_START = bytes.fromhex("54641f64")
_WORDS = 2048
_ROW = 4 * _WORDS
LONG = 4096
"""From how many bytes on they are taken as rows."""


def masked_crc32c(data: Any) -> int:
    """The masked sum of a bytes-like object, as it is stored: rotated and moved, so that sums of sums stay sums."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: Any) -> int:
    """The CRC-32C (Castagnoli) of a bytes-like object."""
    data = memoryview(data).cast("B")
    return (_by_rows(data) if len(data) >= LONG else _by_bytes(data)) ^ 0xFFFFFFFF


def _by_bytes(data: memoryview) -> int:
    register, table = 0xFFFFFFFF, _byte_table()
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ register >> 8
    return register


@cache
def _byte_table() -> list[int]:
    """What a byte of zeros makes of each value of the register's lowest byte."""
    table: list[int] = _table(_shift(3)[:8]).tolist()
    return table


def _by_rows(data: memoryview) -> int:
    cut = len(data) % _ROW
    first = (_START + data[:cut].tobytes()).rjust(2 * _ROW, b"\0")
    low, high = _row_tables()
    register = np.zeros(_WORDS, np.uint32)
    for rows in (first, data[cut:]):
        for row in np.frombuffer(rows, "<u4").reshape(-1, _WORDS):
            register = low[register & 0xFFFF] ^ high[register >> 16] ^ row
    return _folded(register)


def _folded(register: Bits) -> int:
    """The register after all its words, which stand one after the other in the data."""
    step = _shift(5)
    while len(register) > 1:
        register = _applied(step, register[::2]) ^ register[1::2]
        step = _applied(step, step)
    return int(_applied(_shift(5), register)[0])


@cache
def _shift(doublings: int) -> Bits:
    """What 2**doublings bits of zeros make of each of the register's 32 bits."""
    if doublings == 0:
        return np.array([_POLYNOMIAL, *(1 << bit for bit in range(31))], np.uint32)
    half = _shift(doublings - 1)
    return _applied(half, half)


def _applied(step: Bits, registers: Bits) -> Bits:
    bits = registers[:, None] >> np.arange(32, dtype=np.uint32) & 1
    stepped: Bits = np.bitwise_xor.reduce(bits * step, axis=1)
    return stepped


@cache
def _row_tables() -> tuple[Bits, Bits]:
    """What a row of zeros makes of the register's lower and upper 16 bits."""
    step = _shift(3 + (_ROW - 1).bit_length())
    return _table(step[:16]), _table(step[16:])


def _table(step: Bits) -> Bits:
    table = np.zeros(1, np.uint32)
    for bit in step:
        table = np.concatenate([table, table ^ bit])
    return table
