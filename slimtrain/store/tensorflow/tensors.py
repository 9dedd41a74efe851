"""What a checkpoint says of a tensor, dtype, shape and the slices that it was saved in, and slices joined to arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.wire.protobuf import fields, number, part, signed

BFLOAT16 = 14
# TensorFlow's numbers of the dtypes that arrays of numbers have.
DTYPES: Mapping[int, str] = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    9: "int64",
    10: "bool",
    BFLOAT16: "float32",  # numpy has none; float32 holds each of its values
    17: "uint16",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
_DIMENSIONS_MOST = 32

Shape = tuple[int, ...]
Extent = tuple[int, int | None]
"""Where a slice begins in a dimension and how long it is; None for all of it."""
Slice = tuple[Extent, ...]
Piece = tuple[Slice, NDArray[Any]]


@dataclass(frozen=True)
class Tensor:
    """A tensor of a checkpoint; `kind` is TensorFlow's number of its dtype, `slices` is empty for one saved whole."""

    kind: int
    shape: Shape
    slices: tuple[Slice, ...] = field(default=())

    @property
    def dtype(self) -> str | None:
        """numpy's name of the dtype; None for text, complex and quantized numbers, resources."""
        return DTYPES.get(self.kind)


def read_shape(message: memoryview) -> Shape:
    """A TensorShapeProto."""
    found = []
    for tag, value in fields(message):
        if tag == 2:
            sizes = [signed(number(v)) for t, v in fields(part(value)) if t == 1]
            found.append(sizes[-1] if sizes else 0)
    if len(found) > _DIMENSIONS_MOST or any(size < 0 for size in found):
        raise ValueError("a tensor in it has no possible shape")
    return tuple(found)


def read_slice(message: memoryview) -> Slice:
    """A TensorSliceProto."""
    found: list[Extent] = []
    for tag, value in fields(message):
        if tag == 1:
            extent = {t: signed(number(v)) for t, v in fields(part(value))}
            found.append((extent.get(1, 0), extent.get(2)))
    return tuple(found)


def within(piece: Slice, shape: Shape) -> tuple[slice, ...]:
    """The slice as numpy's, of an array of that shape; raises ValueError where it lies beyond it."""
    if len(piece) != len(shape):
        raise ValueError("a slice in it has another rank than its tensor")
    ends = [size if length is None else start + length for (start, length), size in zip(piece, shape, strict=True)]
    found = tuple(slice(start, end) for (start, _), end in zip(piece, ends, strict=True))
    if any(not 0 <= s.start <= s.stop <= size for s, size in zip(found, shape, strict=True)):
        raise ValueError("a slice in it lies beyond its tensor")
    return found


def size_of(piece: Slice, shape: Shape) -> Shape:
    """The shape of a slice of an array of that shape."""
    return tuple(s.stop - s.start for s in within(piece, shape))


def joined(name: str, tensor: Tensor, pieces: Sequence[Piece]) -> NDArray[Any]:
    """One array of a tensor's slices, which cover it once; memory is taken only for what is there.

    Raises:
        ValueError: they leave a part of it out, or overlap.
    """
    if len(pieces) == 1 and pieces[0][1].shape == tensor.shape:
        return pieces[0][1]
    if not pieces or sum(array.size for _, array in pieces) != prod(tensor.shape):
        raise ValueError(f"the slices of '{name}' do not make the whole of it")
    whole = np.zeros(tensor.shape, pieces[0][1].dtype)
    seen = np.zeros(tensor.shape, np.bool_)
    for piece, array in pieces:
        where = within(piece, tensor.shape)
        whole[where], seen[where] = array, True
    if not seen.all():
        raise ValueError(f"the slices of '{name}' overlap")
    return whole


def of_bytes(tensor: Tensor, data: memoryview, shape: Shape) -> NDArray[Any]:
    """An array of values as they lie in memory, little end first."""
    if tensor.kind == BFLOAT16:
        # A bfloat16 is the upper half of a float32.
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    assert tensor.dtype is not None
    if tensor.dtype == "bool":
        return np.frombuffer(data, np.uint8).astype(np.bool_).reshape(shape)
    values: NDArray[Any] = np.frombuffer(data, np.dtype(tensor.dtype).newbyteorder("<")).astype(tensor.dtype)
    return values.reshape(shape)


def bytes_of(tensor: Tensor, shape: Shape) -> int:
    """How many bytes an array of that shape takes in the file."""
    assert tensor.dtype is not None
    return prod(shape) * (2 if tensor.kind == BFLOAT16 else np.dtype(tensor.dtype).itemsize)
