"""The old format (V1): tables in which slices lie under a first entry that lists all tensors."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.store.tensorflow.files import reading
from slimtrain.store.tensorflow.table import entries
from slimtrain.store.tensorflow.tensors import Piece, Shape, Tensor, joined, of_bytes, read_shape, read_slice, size_of
from slimtrain.wire.protobuf import Value, fields, number, part, text, varints
from slimtrain.wire.regular import opened

_FLOATS = {5: "<f4", 6: "<f8"}
_NUMBERS = (7, 10, 11, 13, 16, 17)
_BITS = 13  # float16 as whole numbers, one a value


@dataclass(frozen=True)
class SliceFiles:
    """The tables of a checkpoint, one a shard, and the tensors that they list."""

    paths: tuple[Path, ...]
    tensors: Mapping[str, Tensor]

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, NDArray[Any]]]:
        """The arrays of these tensors; every block is read. Raises CheckpointError for what is damaged."""
        pieces: dict[str, list[Piece]] = {name: [] for name in names}
        for path in self.paths:
            with reading(path), opened(path) as file:
                for key, value in entries(file):
                    if key:
                        self._take(value, pieces)
        with reading(self.paths[0]):
            for name in list(pieces):
                yield name, joined(name, self.tensors[name], pieces.pop(name))

    def _take(self, message: memoryview, pieces: dict[str, list[Piece]]) -> None:
        """Adds the slice of a SavedTensorSlices to those of its tensor, if it is wanted."""
        for tag, value in fields(message):
            if tag != 2:
                continue
            found = dict(fields(part(value)))
            name = text(found.get(1, memoryview(b"")))
            if name in pieces:
                tensor, where = self.tensors[name], read_slice(part(found.get(2, memoryview(b""))))
                array = _values(name, tensor, part(found.get(3, memoryview(b""))), size_of(where, tensor.shape))
                pieces[name].append((where, array))


def _values(name: str, tensor: Tensor, message: memoryview, shape: Shape) -> NDArray[Any]:
    """The values of a TensorProto, of which only the list of its dtype is filled."""
    lists = [(tag, part(value)) for tag, value in fields(message) if tag in (*_FLOATS, *_NUMBERS)]
    found = [_listed(tensor, tag, data) for tag, data in lists]
    array = found[0] if len(found) == 1 else np.concatenate(found) if found else np.zeros(0)
    if array.size != int(np.prod(shape, dtype=object)):
        raise ValueError(f"a slice of '{name}' has {array.size} values, which its shape {list(shape)} does not take")
    return array.astype(tensor.dtype, copy=False).reshape(shape)


def _listed(tensor: Tensor, tag: int, data: memoryview) -> NDArray[Any]:
    if tag in _FLOATS:
        return np.frombuffer(data, _FLOATS[tag])
    numbers = varints(data)
    if tag == _BITS:
        bits = numbers.astype("<u2")
        return of_bytes(tensor, memoryview(bits.tobytes()), bits.shape)
    # A conversion that wraps, as two's complement wants it.
    return numbers.view(np.int64)


def open_slice_files(paths: Iterable[Path]) -> SliceFiles:
    """The tensors that the tables of a checkpoint list; raises CheckpointError for damaged ones."""
    paths, found = tuple(paths), dict[str, Tensor]()
    for path in paths:
        with reading(path), opened(path) as file:
            key, value = next(entries(file), (b"?", memoryview(b"")))
            if key:
                raise ValueError("it does not begin with a list of its tensors")
            for name, tensor in _listing(value):
                known = found.setdefault(name, replace(tensor, slices=()))
                if (known.kind, known.shape) != (tensor.kind, tensor.shape):
                    raise ValueError(f"'{name}' is listed twice, and not the same")
    return SliceFiles(paths, found)


def _listing(message: memoryview) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a SavedTensorSlices that holds a SavedTensorSliceMeta."""
    for tag, meta in fields(message):
        if tag == 1:
            for inner, one in fields(part(meta)):
                if inner == 1:
                    yield _tensor(part(one))


def _tensor(message: memoryview) -> tuple[str, Tensor]:
    """A SavedSliceMeta."""
    found: dict[int, Value] = dict(fields(message))
    shape = read_shape(part(found.get(2, memoryview(b""))))
    return text(found.get(1, memoryview(b""))), Tensor(number(found.get(3, 0)), shape)
