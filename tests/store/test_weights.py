"""Weight files: names and values survive, and no bytes whatever give a traceback or run code."""

import io
import os
import pickle
import resource
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from slimtrain.errors import CheckpointError, ConfigError, WriteError
from slimtrain.store.checkpoint import read_weights, write_weights
from slimtrain.store.weights import read_facts

ARRAYS = {
    "conv1/weights": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "file": np.array(1),
    "é.npy": np.array([True]),
}
SUFFIXES = pytest.mark.parametrize("suffix", [".npz", ".safetensors"])


@SUFFIXES
def test_names_and_values_survive(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    write_weights(path, ARRAYS)
    back = read_weights(path)
    assert back.keys() == ARRAYS.keys() and os.listdir(tmp_path) == [path.name]
    for name, array in ARRAYS.items():
        assert back[name].dtype == array.dtype and back[name].shape == array.shape
        assert np.array_equal(back[name], array)


def test_bfloat16_keeps_its_values(tmp_path):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = np.array([1.5, -3e38, np.inf], bfloat16)
    write_weights(tmp_path / "w.npz", {"x": x})
    write_weights(tmp_path / "w.safetensors", {"x": x})
    assert np.array_equal(read_weights(tmp_path / "w.npz")["x"], x.astype(np.float32))
    assert read_weights(tmp_path / "w.safetensors")["x"].dtype == bfloat16


def test_other_names_are_refused_with_the_cure(tmp_path):
    with pytest.raises(CheckpointError, match=r"w.pkl: is not a name .*; give one that ends in \(.npz, .safetensors"):
        read_weights(tmp_path / "w.pkl")
    with pytest.raises(ConfigError, match="give one that ends in"):
        write_weights(tmp_path / "w.h5", ARRAYS)
    with pytest.raises(CheckpointError, match="w.npz: there is no such file"):
        read_weights(tmp_path / "w.npz")
    (tmp_path / "d.npz").mkdir()
    with pytest.raises(CheckpointError, match="d.npz: is not a file"):
        read_weights(tmp_path / "d.npz")


class Canary:
    def __reduce__(self):
        return os.mkdir, ("canary",)


def _npz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


LYING = _npy(np.ones(3)).replace(b"(3,), }          ", b"(3" + b"0" * 12 + b",), }"[:5])


@SUFFIXES
def test_hostile_files_are_refused_and_run_nothing(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    objects = np.array([Canary()], dtype=object)
    hostile = [
        b"",
        b"PK",
        pickle.dumps(Canary()),
        _npy(objects),
        _npy(np.ones(2)),
        _npz(**{"x.npy": _npy(objects)}),
    ]
    hostile += [
        _npz(**{"x.txt": b"hello"}),
        _npz(**{"x.npy": LYING}),
        b"\xff" * 100,
        b"\x02" + bytes(7) + b"{}"[:1],
    ]
    for number, data in enumerate(hostile):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=f"{number}{suffix}: cannot be read as {suffix}: ."):
            read_weights(path)
    assert not (tmp_path / "canary").exists()


@SUFFIXES
@settings(max_examples=100, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_files_load_or_are_refused(tmp_path_factory, suffix, at, byte, cut):
    path = tmp_path_factory.getbasetemp() / f"w{suffix}"
    write_weights(path, ARRAYS)
    data = bytearray(path.read_bytes())
    where = int(at * len(data))
    data[where:] = b"" if cut else bytes([byte]) + data[where + 1 :]
    path.write_bytes(data)
    try:
        read_weights(path)
    except CheckpointError as error:
        assert "cannot be read as" in str(error)


@SUFFIXES
def test_a_full_disk_keeps_the_old_file(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    write_weights(path, ARRAYS)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(WriteError, match="cannot be written: File too large; free some space"):
            write_weights(path, {"x": np.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_a_dtype_that_the_file_cannot_hold_is_named(tmp_path):
    with pytest.raises(WriteError, match='cannot hold these arrays: Unknown dtype "complex128"'):
        write_weights(tmp_path / "w.safetensors", {"x": np.ones(2, complex)})


def test_facts_travel_in_safetensors(tmp_path):
    facts = {"image": [8, 8, 1], "preprocess": [{"rescale": {"scale": 1 / 255}}], "classes": None}
    write_weights(tmp_path / "w.safetensors", ARRAYS, facts)
    write_weights(tmp_path / "w.npz", ARRAYS, facts)
    write_weights(tmp_path / "none.safetensors", ARRAYS)
    save_file({"x": np.ones(2)}, tmp_path / "other.safetensors", {"format": "pt"})
    assert read_facts(tmp_path / "w.safetensors") == facts
    assert read_weights(tmp_path / "w.safetensors").keys() == ARRAYS.keys()
    for name in ("w.npz", "none.safetensors", "other.safetensors", "gone.safetensors"):
        assert read_facts(tmp_path / name) == {}
    for text in ("{", "[" * 10_000):
        save_file({"x": np.ones(2)}, tmp_path / "bad.safetensors", {"slimtrain": text})
        with pytest.raises(CheckpointError, match="bad.safetensors: cannot be read as .safetensors"):
            read_facts(tmp_path / "bad.safetensors")


def test_an_archive_that_lies_of_its_sizes_is_refused_before_memory_is_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    huge = _npy(np.ones(3)).replace(b"(3,), }" + b" " * 15, b"(3" + b"0" * 15 + b",), }")
    assert b"(3000000000000000,)" in huge
    path.write_bytes(_npz(**{"x.npy": huge}))
    with pytest.raises(CheckpointError, match="'x' is truncated: its header declares 24000000000000000 bytes"):
        read_weights(path)
    monkeypatch.setattr("slimtrain.wire.npz.ALWAYS_ALLOWED", 1000)
    np.savez_compressed(path, x=np.zeros(1_000_000))
    with pytest.raises(CheckpointError, match="would unpack to more than"):
        read_weights(path)
    long = tmp_path / ("a" * 300 + ".npz")
    with pytest.raises(CheckpointError, match="cannot be read|there is no such file"):
        read_weights(long)


@pytest.mark.parametrize("size, told", [(1 << 40, "its header has"), (100, "its header tells of 12 bytes, there are")])
def test_a_file_with_a_hole_is_not_mapped(tmp_path, size, told):
    path = tmp_path / "w.safetensors"
    write_weights(path, {"a": np.ones(3, np.float32)})
    head = b"\0" * 8 if size > 1000 else path.read_bytes()
    with path.open("wb") as file:
        file.write(head)
        file.truncate(max(size, len(head) + 7))
    for read in (read_weights, read_facts):
        with pytest.raises(CheckpointError, match=f"cannot be read as .safetensors: {told}"):
            read(path)
