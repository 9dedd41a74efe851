"""The keys under which TensorFlow's tables keep slices: a name and extents, as bytes that sort as they do."""

from slimtrain.store.tensorflow.tensors import Slice


def slice_key(name: str, piece: Slice) -> bytes:
    """The key of a slice of the tensor `name`."""
    text = name.encode().replace(b"\0", b"\0\xff")
    # A whole dimension is written as length -1.
    extents = b"".join(_signed(start) + _signed(-1 if length is None else length) for start, length in piece)
    return _unsigned(0) + text + b"\0\1" + _unsigned(len(piece)) + extents


def _unsigned(number: int) -> bytes:
    size = (number.bit_length() + 7) // 8
    return bytes([size]) + number.to_bytes(size, "big")


def _signed(number: int) -> bytes:
    """Seven bits a byte; as many ones at the front as there are bytes, turned over for a negative number."""
    size = (number if number >= 0 else ~number).bit_length() // 7 + 1
    ones = ((1 << size) - 1) << (7 * size)
    return ((number ^ ones) & ((1 << 8 * size) - 1)).to_bytes(size, "big")
