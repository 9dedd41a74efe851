"""Tables written anew: for the maker of the files, and for tests of compressed and hostile ones."""

import io
from collections.abc import Callable, Iterable

from cramjam import snappy

FOOTER = 48


def number(value: int) -> bytes:
    """A variable-length whole number."""
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + number(high) if high else bytes([low])


def read_number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def stepped(crc: int) -> int:
    """The register of CRC-32C after one byte of zeros."""
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


STEPS = [stepped(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    """The checksum, a byte at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ STEPS[crc & 0xFF ^ byte]
    return crc ^ 0xFFFFFFFF


def sealed(content: bytes, kind: int) -> bytes:
    """A block with its kind and the masked checksum of both."""
    crc = crc32c(content + bytes([kind]))
    return content + bytes([kind]) + (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def entries(block: bytes) -> list[tuple[bytes, bytes]]:
    """The entries of a block."""
    end = len(block) - 4 * (int.from_bytes(block[-4:], "little") + 1)
    at, key, found = 0, b"", []
    while at < end:
        shared, at = read_number(block, at)
        more, at = read_number(block, at)
        size, at = read_number(block, at)
        key = key[:shared] + block[at : at + more]
        found.append((key, block[at + more : at + more + size]))
        at += more + size
    return found


def span(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """(offset, size, where it ends)."""
    offset, at = read_number(data, at)
    size, at = read_number(data, at)
    return offset, size, at


def table_entries(table: bytes) -> list[tuple[bytes, bytes]]:
    """All entries of a table of plain blocks."""
    _, _, at = span(table[-FOOTER:])
    offset, size, _ = span(table[-FOOTER:], at)
    spans = [span(value) for _, value in entries(table[offset : offset + size])]
    return [e for offset, size, _ in spans for e in entries(table[offset : offset + size])]


def block(rows: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A block with one restart, each key spelled as what it shares with the one before and the rest."""
    out, last = b"", b""
    for key, value in rows:
        shared = next((i for i, (a, b) in enumerate(zip(last, key, strict=False)) if a != b), min(len(last), len(key)))
        out += number(shared) + number(len(key) - shared) + number(len(value)) + key[shared:] + value
        last = key
    return out + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def written(blocks: Iterable[list[tuple[bytes, bytes]]], pack: Callable[[bytes], tuple[bytes, int]]) -> bytes:
    """A table of these blocks; `pack` gives the stored form of one and its kind."""
    out, index = io.BytesIO(), []

    def put(content: bytes) -> bytes:
        start = out.tell()
        out.write(sealed(*pack(content)))
        return number(start) + number(out.tell() - start - 5)

    for rows in blocks:
        index.append((rows[-1][0], put(block(rows))))
    ends = put(block([])) + put(block(index))
    return out.getvalue() + ends.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def snapped(content: bytes) -> tuple[bytes, int]:
    """A block's compressed form."""
    return bytes(snappy.compress_raw(content)), 1


def plain(content: bytes) -> tuple[bytes, int]:
    """A block as it is."""
    return content, 0


def rewritten(table: bytes) -> bytes:
    """The table with three entries a block, compressed."""
    rows = table_entries(table)
    return written([rows[i : i + 3] for i in range(0, len(rows), 3)], snapped)
