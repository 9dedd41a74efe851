import io
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimtrain.data.formats.npz import read_npy, read_npz
from slimtrain.errors import DataError
from slimtrain.wire import npz

FIELDS = {"image": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "label": np.array([1, 0])}


def packed(save: Any = np.savez, **fields: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, **fields)
    return stream.getvalue()


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "data"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_all_fields(tmp_path: Path, save: Any) -> None:
    read = read_npz(write(tmp_path, packed(save, **FIELDS)))
    assert list(read) == list(FIELDS)
    for name, array in FIELDS.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


@pytest.mark.parametrize("array", [np.asfortranarray(FIELDS["image"]), np.arange(3, dtype=">i8"), np.eye(2) > 0])
def test_reads_any_layout(tmp_path: Path, array: np.ndarray) -> None:
    np.testing.assert_array_equal(read_npy(write(tmp_path, npy(array))), array, strict=True)


F4 = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "damaged"),
        (b"PK\x03\x04", "damaged"),
        (npy(np.eye(2))[:-1], "is truncated: its header declares 32 bytes, there are 31"),
        (npy(np.eye(2)) + b"x", "has extra bytes"),
        (npy(np.array([{}]), allow_pickle=True), "holds Python objects, expected numbers"),
        (npy(np.array(["a"])), "holds type <U1, expected numbers"),
        (npy(np.zeros(2, [("a", "f4")])), "holds type"),
        (header(F4 % "(4000000000, 4000000000)"), "is truncated"),
        (header(F4 % "(-1, -1)") + bytes(4), "damaged"),
        (header(F4 % "()", version=b"\x03\x00") + bytes(4), r"version \(3, 0\)"),
        (header("__import__('os').abort()"), "damaged"),
        (header("(" * 5000), "damaged"),
    ],
)
def test_refuses_arrays_that_are_not_what_they_declare(tmp_path: Path, content: bytes, what: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=what) as caught:
        read_npy(path)
    assert caught.value.problems[0].where == str(path) and caught.value.problems[0].hint
    with pytest.raises(DataError):
        read_npz(write(tmp_path, zipped({"a.npy": content})))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"not a zip file", "is damaged: File is not a zip file"),
        (packed(**FIELDS)[:-30], "damaged"),
        (zipped({"readme.txt": b"hello"}), "holds 'readme.txt', which is no array"),
        (zipped({"a.npy": npy(np.eye(2))}, zipfile.ZIP_BZIP2), "compressed in a way"),
        (packed(**FIELDS).replace(b"\x00\x00\x80\x3f", b"\x00\x00\x00\x40", 1), "CRC"),
    ],
)
def test_refuses_archives_that_numpy_did_not_write(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(DataError, match=what):
        read_npz(write(tmp_path, content))


def test_refuses_a_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "ALWAYS_ALLOWED", 1000)
    bomb = packed(np.savez_compressed, a=np.zeros(1_000_000, np.uint8))
    with pytest.raises(DataError, match="would unpack to more than"):
        read_npz(write(tmp_path, bomb))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_mutated_bytes_are_read_or_refused(tmp_path: Path, save: Any) -> None:
    draw, whole = random.Random(0), packed(save, **FIELDS)
    for _ in range(400):
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.randrange(1, 5)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        try:
            read_npz(write(tmp_path, bytes(content)))
        except DataError:
            pass


def test_mutated_headers_are_read_or_refused(tmp_path: Path) -> None:
    draw, whole = random.Random(1), npy(FIELDS["image"])
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            content[draw.randrange(70)] = draw.choice(b"0123456789'(),{}<>|-fiubOVS\x00\xff")
        try:
            assert read_npy(write(tmp_path, bytes(content))).dtype.kind in "biuf"
        except DataError:
            pass
