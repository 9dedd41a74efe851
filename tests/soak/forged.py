"""Files forged by their format: what they say of themselves lies, and their lengths and checksums are right again."""

import gzip
import io
import json
import os
import pickle
import random
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from soak import damage
from soak.hostile import WORDS

from slimtrain.data.formats.tfrecord import records
from slimtrain.store.manifest import sealed
from slimtrain.wire.crc32c import masked_crc32c

sys.path.insert(0, str(Path(__file__).parents[1] / "store" / "tensorflow"))
import rewrite

Forger = Callable[[random.Random, Path], bytes]
NAMES = [
    "../x.npy",
    "/etc/passwd.npy",
    "image.npy",
    "x.txt",
    "",
    "a" * 60_000,
    "a/b/../../c.npy",
    "\x1b[2J.npy",
    "é\n.npy",
]


class Canary:
    """A pickle that makes a folder where it is unpacked."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("canary",)


def forge(draw: random.Random, path: Path) -> bytes:
    """The file forged as its name says it should be."""
    forger = next((f for ending, f in FORGERS.items() if path.name.endswith(ending)), None)
    if forger is None and path.parent.parent.name in ("files", "TensorFlow's checkpoints"):
        forger = shard if ".data-" in path.name else table if path.name != "checkpoint" else lines
    return (forger or lines)(draw, path)


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def idx(draw: random.Random, path: Path) -> bytes:
    """Sizes that lie, more or less bytes than they say, packed again."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    head, rest = bytearray(data[:4]), data[4:]
    if draw.random() < 0.2:
        head[draw.randrange(4)] = draw.choice([0, 1, 3, 8, 13, 255])
    for _ in range(draw.choice([0, 1, 1, 2])):
        at = 4 * draw.randrange(max(1, data[3]))
        rest = rest[:at] + (draw.choice(damage.NUMBERS) % 2**32).to_bytes(4, "big") + rest[at + 4 :]
    rest = draw.choice([rest, rest, rest[:-1], rest + b"\0", rest * 2, damage.bytes_of(draw, rest)])
    whole = bytes(head) + rest
    if draw.random() < 0.02:
        whole += bytes(50 << 20)
    return gzipped(whole) + draw.choice([b"", b"", b"x", gzipped(b"more")]) if draw.random() < 0.5 else whole


def cifar(draw: random.Random, path: Path) -> bytes:
    """Labels beyond the classes, other numbers of bytes."""
    data = bytearray(path.read_bytes())
    data[draw.choice([0, 3073])] = draw.randrange(256)
    return bytes(data[: draw.choice([len(data), 3073, 3072, 0, 1, 2 * 3074])]) * draw.choice([1, 1, 3])


def npy_bytes(draw: random.Random, data: bytes) -> bytes:
    """A header that lies, as long as it says; or objects."""
    if draw.random() < 0.1:
        stream = io.BytesIO()
        np.save(stream, np.array([Canary()], object), allow_pickle=True)
        return stream.getvalue()
    size = int.from_bytes(data[8:10], "little")
    text, body = data[10 : 10 + size].decode("latin-1"), data[10 + size :]
    choice = draw.randrange(4)
    if choice == 0:
        text = damage.numbers_of(draw, text)
    elif choice == 1:
        text = damage.words_of(draw, text.encode(), b"", WORDS).decode("utf-8", "replace")
    elif choice == 2:
        kind = draw.choice(
            ["|O", "<U9999999", "|V0", "|S0", "<c16", ">f8", "<f16", "<M8[s]", "|b1", "<i8", "(2,3)f4", "<f2"]
        )
        text = text.replace("<f4", kind).replace("<i8", kind).replace("<f8", kind)
    else:
        shape = draw.choice(
            ["()", "(0,)", "(-1,)", f"({2**62}, 4)", f"({10**30},)", "(1,) * 99", "(" + "1, " * 70 + ")", "6", "(1e3,)"]
        )
        start, end = text.find("("), text.rfind(")") + 1
        text = text[:start] + shape + text[end:]
    head = text.rstrip().encode("utf-8", "replace")
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    version = draw.choice([b"\1\0"] * 8 + [b"\2\0", b"\3\0", b"\0\0", b"\xff\xff"])
    width = 2 if version == b"\1\0" else 4
    return b"\x93NUMPY" + version + (len(head) % (1 << 8 * width)).to_bytes(width, "little") + head + body


def npy(draw: random.Random, path: Path) -> bytes:
    return npy_bytes(draw, path.read_bytes())


def npz(draw: random.Random, path: Path) -> bytes:
    """Members that lie, that are there twice, that lead elsewhere, that unpack to more than there is."""
    with zipfile.ZipFile(path) as whole:
        members = [(name, whole.read(name)) for name in whole.namelist()]
    at = draw.randrange(len(members))
    choice = draw.randrange(8)
    name, data = members[at]
    if choice <= 2:
        members[at] = (name, npy_bytes(draw, data))
    elif choice == 3:
        members[at] = (draw.choice(NAMES), data)
    elif choice == 4:
        members.append(
            (draw.choice(["more.npy", name, "x"]), draw.choice([data, b"", pickle.dumps(Canary()), os.urandom(64)]))
        )
    elif choice == 5:
        members[at] = (name, data + bytes(draw.choice([1, 1 << 16, 8 << 20])))
    elif choice == 6:
        del members[at]
    method = draw.choice(
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    )
    packed = _zipped(members, method)
    # What the directory and the members' heads say: sizes, offsets, flags, ways of packing.
    return _lying_directory(draw, packed) if choice == 7 else packed


def _zipped(members: list[tuple[str, bytes]], method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method, compresslevel=1) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, data)
    return stream.getvalue()


def _lying_directory(draw: random.Random, packed: bytes) -> bytes:
    mark = draw.choice([b"PK\1\2", b"PK\3\4", b"PK\5\6"])
    start = packed.find(mark)
    at = start + draw.choice([4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42])
    size = draw.choice([2, 4])
    return packed[:at] + (draw.choice(damage.NUMBERS) % (1 << 8 * size)).to_bytes(size, "little") + packed[at + size :]


def lines(draw: random.Random, path: Path) -> bytes:
    """Words that are hostile, lines without an end, many columns, many rows."""
    data = path.read_bytes()
    choice = draw.randrange(10)
    if choice == 0:
        return data + draw.choice([b"1", b",", b'"', b"a", b"\0", b"1,"]) * draw.choice([1000, 200_000, 3_000_000])
    if choice == 1:
        rows = data.splitlines(keepends=True) or [b""]
        return b"".join(rows[:1] + rows[1:2] * draw.choice([0, 1, 3000]))
    if choice == 2:
        return data.replace(b",", draw.choice([b";", b"\t", b",,", b'","', b"\r"]))
    if choice == 3:
        return data.decode("latin-1").encode(draw.choice(["utf-16", "utf-32", "utf-8-sig"]))
    if choice == 4:
        places = [
            b"/dev/zero",
            b"../../../../etc/passwd",
            b"/",
            b"",
            b".",
            b"\0",
            b"train.csv",
            b"a" * 5000,
            b"nan",
            b"1e400",
            b"inf",
        ]
        return b"\n".join(b",".join([draw.choice(places), *row.split(b",")[1:]]) for row in data.split(b"\n"))
    return damage.words_of(draw, data, data, WORDS)


def tfrecord(draw: random.Random, path: Path) -> bytes:
    """One record's message damaged, or its length a lie, under checksums that are right."""
    whole = [bytes(data) for _, data in records(path)]
    at = draw.randrange(len(whole))
    if draw.random() < 0.8:
        whole[at] = damage.bytes_of(draw, whole[at], draw.choice(whole))
    out = []
    for number, data in enumerate(whole):
        lies = number == at and draw.random() < 0.2
        length = struct.pack("<Q", draw.choice(damage.NUMBERS) % 2**64 if lies else len(data))
        out += [length, struct.pack("<I", masked_crc32c(length)), data, struct.pack("<I", masked_crc32c(data))]
    return b"".join(out)


def png(draw: random.Random, path: Path) -> bytes:
    """Chunks damaged, sizes that lie, chunks twice or in another order, texts that unpack without end."""
    data, chunks, at = path.read_bytes(), [], 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += size + 12
    number = draw.randrange(len(chunks))
    choice = draw.randrange(5)
    if choice == 0:
        sizes = [draw.choice([*damage.NUMBERS, 6, 5]) % 2**32 for _ in range(2)]
        rest = bytes(draw.choice([0, 1, 2, 3, 4, 6, 8, 16]) for _ in range(2)) + bytes([0, 0, draw.choice([0, 1])])
        chunks[0] = (b"IHDR", struct.pack(">2I", *sizes) + rest)
    elif choice == 1:
        chunks[number] = (chunks[number][0], damage.bytes_of(draw, chunks[number][1]))
    elif choice == 2:
        packed = zlib.compress(bytes(draw.choice([10, 20 << 20])), 1)
        text = {
            b"zTXt": b"a\0\0" + packed,
            b"iCCP": b"a\0\0" + packed,
            b"iTXt": b"a\0\1\0\0\0" + packed,
            b"tEXt": b"a\0b" * 999,
        }
        more = [
            *text.items(),
            (b"acTL", b"\xff" * 8),
            (b"fcTL", b"\xff" * 26),
            (b"tRNS", b"\0" * 99),
            (b"PLTE", b"\0" * 7),
        ]
        chunks.insert(draw.choice([0, 1, number]), draw.choice(more))
    elif choice == 3:
        draw.shuffle(chunks)
    else:
        chunks[number:number] = [chunks[number]] * draw.choice([1, 100])
    out = [data[:8]]
    for kind, content in chunks:
        out += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", zlib.crc32(kind + content))]
    return b"".join(out)


def picture(draw: random.Random, path: Path) -> bytes:
    """Two or four bytes of the head become a number's."""
    data = path.read_bytes()
    head = damage._word(draw, data[: draw.choice([26, 40, 60, 200])], b"")
    return head + data[len(head) :]


def safetensors(draw: random.Random, path: Path) -> bytes:
    """A head that lies: types, shapes, offsets, its own length."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    tree = json.loads(data[8 : 8 + size])
    hostile = [
        "F8_E4M3",
        "BF16",
        "F64",
        "BOOL",
        "U64",
        "I4",
        "F4",
        [0, 2**63],
        [5, 3],
        [-1, 4],
        [2**40, 1],
        {},
        "",
        "__metadata__",
        *WORDS,
    ]
    tree = damage.tree_of(draw, tree, hostile, [[0, 8], [8, 8], "F32", "I64", [2**32, 2**32], []])
    head = json.dumps(tree).encode("utf-8", "surrogatepass")
    head = draw.choice([head, head, head, b"[" * 60_000, head[:-1], head + b" " * 9999])
    length = draw.choice(damage.NUMBERS) % 2**64 if draw.random() < 0.1 else len(head)
    return length.to_bytes(8, "little") + head + data[8 + size :]


def manifest(draw: random.Random, path: Path) -> bytes:
    """Other values under a right seal, or none."""
    tree = json.loads(path.read_bytes())
    tree = damage.tree_of(
        draw, tree, [*WORDS, *damage.NUMBERS], [{}, [], "0" * 64, {"size": 0}, {"shape": [1], "dtype": "float32"}]
    )
    if isinstance(tree, dict) and draw.random() < 0.8:
        return sealed({k: v for k, v in tree.items() if k != "sha256"})
    return json.dumps(tree, indent=1).encode()


def table(draw: random.Random, path: Path) -> bytes:
    """Keys and values damaged in blocks whose checksums are right."""
    data = path.read_bytes()
    try:
        rows = rewrite.table_entries(data)
    except Exception:
        return damage.bytes_of(draw, data)
    for _ in range(draw.choice([0, 1, 1, 3])):
        at = draw.randrange(len(rows))
        key, value = rows[at]
        choice = draw.randrange(5)
        if choice == 0:
            rows[at] = (damage.bytes_of(draw, key, draw.choice(rows)[0])[:9999], value)
        elif choice == 1:
            del rows[at]
            rows = rows or [(b"", b"")]
        else:
            rows[at] = (key, damage.bytes_of(draw, value, draw.choice(rows)[1]))
    if draw.random() < 0.7:
        rows = [row for at, row in enumerate(rows) if not at or row[0] > rows[at - 1][0]]
    width = draw.choice([1, 3, len(rows)])
    packs = [
        rewrite.plain,
        rewrite.snapped,
        lambda c: (b"\xff\xff\xff\xff\x0f" + c, 1),
        lambda c: (damage.bytes_of(draw, c), 0),
    ]
    pack = draw.choices(packs, [6, 3, 1, 2])[0]
    return rewrite.written([rows[i : i + width] for i in range(0, len(rows), width)], pack)


def shard(draw: random.Random, path: Path) -> bytes:
    data = path.read_bytes()
    return draw.choice([data[:-1], data + b"\0", data[:1], data * 2, damage.bytes_of(draw, data)])


FORGERS: Mapping[str, Forger] = {
    "ubyte": idx,
    "ubyte.gz": idx,
    ".bin": cifar,
    ".npy": npy,
    ".npz": npz,
    ".csv": lines,
    ".tfrecord": tfrecord,
    ".png": png,
    ".jpg": picture,
    ".gif": picture,
    ".bmp": picture,
    ".webp": picture,
    ".safetensors": safetensors,
    "manifest.json": manifest,
    ".jsonl": lines,
    ".index": table,
}
"""Who forges a file, by how its name ends."""
