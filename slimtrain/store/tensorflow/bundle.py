"""The format of now (V2): an index of tensors, and files of their bytes."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.store.tensorflow.files import index_of, reading, shard_of
from slimtrain.store.tensorflow.keys import slice_key
from slimtrain.store.tensorflow.table import entries
from slimtrain.store.tensorflow.tensors import (
    Shape,
    Tensor,
    bytes_of,
    joined,
    of_bytes,
    read_shape,
    read_slice,
    size_of,
)
from slimtrain.wire.crc32c import masked_crc32c
from slimtrain.wire.protobuf import fields, number, part, signed
from slimtrain.wire.regular import opened

_LITTLE = 0
_SHARDS_MOST = 99999


@dataclass(frozen=True)
class _Entry:
    """Where a tensor, or a slice of one, lies; its checksum."""

    tensor: Tensor
    shard: int = 0
    offset: int = 0
    size: int = 0
    checksum: int = 0


@dataclass(frozen=True)
class Bundle:
    """A checkpoint's index, read: its tensors by name, and where they and their slices lie, by key."""

    prefix: Path
    shards: int
    tensors: Mapping[str, Tensor]
    places: Mapping[bytes, _Entry]

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, NDArray[Any]]]:
        """The arrays of these tensors; raises CheckpointError for what is damaged."""
        left: dict[int, int] = {}
        for name in names:
            entry = self.places[name.encode()]
            with reading(index_of(self.prefix)):
                keys = [slice_key(name, piece) for piece in entry.tensor.slices] or [name.encode()]
                if lacking := [key for key in keys if key not in self.places]:
                    raise ValueError(f"{len(lacking)} slices of '{name}' are missing")
                shapes = [size_of(piece, entry.tensor.shape) for piece in entry.tensor.slices] or [entry.tensor.shape]
            arrays = [self._array(name, self.places[k], s, left) for k, s in zip(keys, shapes, strict=True)]
            with reading(index_of(self.prefix)):
                pieces = list(zip(entry.tensor.slices or ((),), arrays, strict=True))
                yield name, joined(name, entry.tensor, pieces)

    def _array(self, name: str, entry: _Entry, shape: Shape, left: dict[int, int]) -> NDArray[Any]:
        """A tensor's or slice's values; `left` counts how much of each file was not read yet."""
        path = shard_of(self.prefix, entry.shard, self.shards)
        with reading(path), opened(path) as file:
            whole = os.fstat(file.fileno()).st_size
            left[entry.shard] = left.get(entry.shard, whole) - entry.size
            if entry.tensor.dtype is None or entry.size != bytes_of(entry.tensor, shape):
                raise ValueError(f"'{name}' has {entry.size} bytes in it, which its shape {list(shape)} does not take")
            # Where more is asked for than there is, tensors overlap, and memory has no bound.
            if entry.offset < 0 or entry.offset + entry.size > whole or left[entry.shard] < 0:
                raise ValueError(f"it is cut short, or the index is damaged: '{name}' lies beyond its end")
            data = np.fromfile(file, np.uint8, entry.size, offset=entry.offset).data
        with reading(path):
            if len(data) != entry.size or masked_crc32c(data) != entry.checksum:
                raise ValueError(f"the checksum of '{name}' is wrong: it is damaged")
            return of_bytes(entry.tensor, data, shape)


def open_bundle(prefix: Path) -> Bundle:
    """The index of a checkpoint; raises CheckpointError for a damaged one."""
    path = index_of(prefix)
    with reading(path), opened(path) as file:
        lines = entries(file)
        key, header = next(lines, (b"?", memoryview(b"")))
        if key:
            raise ValueError("it has no header")
        shards = _shards(header)
        places = {key: _entry(value, shards) for key, value in lines}
        # The keys of slices begin with a zero.
        tensors = {key.decode(): entry.tensor for key, entry in places.items() if not key.startswith(b"\0")}
        return Bundle(prefix, shards, tensors, places)


def _shards(header: memoryview) -> int:
    """How many files of values there are, by a BundleHeaderProto."""
    found = {tag: value for tag, value in fields(header) if tag in (1, 2)}
    if found.get(2, _LITTLE) != _LITTLE:
        raise ValueError("its numbers are big end first, which is not read")
    shards = number(found.get(1, 0))
    if not 0 < shards <= _SHARDS_MOST:
        raise ValueError(f"it cannot have {shards} files of values")
    return shards


def _entry(message: memoryview, shards: int) -> _Entry:
    """A BundleEntryProto."""
    found = {tag: value for tag, value in fields(message) if tag != 7}
    slices = tuple(read_slice(part(value)) for tag, value in fields(message) if tag == 7)
    kind, shard, offset, size = (signed(number(found.get(tag, 0))) for tag in (1, 3, 4, 5))
    shape = read_shape(part(found.get(2, memoryview(b""))))
    if not 0 <= shard < shards:
        raise ValueError(f"a tensor in it is said to be in file {shard} of {shards}")
    checksum = int.from_bytes(part(found.get(6, memoryview(b""))), "little")
    return _Entry(Tensor(kind, shape, slices), shard, offset, size, checksum)
