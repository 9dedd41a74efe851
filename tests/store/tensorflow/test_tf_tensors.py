"""Shapes, slices and arrays, and what cannot be one."""

import numpy as np
import pytest

from slimtrain.store.tensorflow.tensors import Tensor, joined, of_bytes, read_shape, read_slice, within


def test_shapes_and_slices():
    assert read_shape(memoryview(b"\x12\2\x08\2\x12\2\x08\3")) == (2, 3)
    assert read_shape(memoryview(b"\x12\0")) == (0,) and read_shape(memoryview(b"")) == ()
    assert read_slice(memoryview(b"\x0a\4\x08\2\x10\3\x0a\0")) == ((2, 3), (0, None))


@pytest.mark.parametrize("message", [b"\x12\x0b\x08" + b"\xff" * 9 + b"\1", b"\x12\0" * 33])
def test_impossible_shapes(message):
    with pytest.raises(ValueError, match="no possible shape"):
        read_shape(memoryview(message))


@pytest.mark.parametrize("piece", [((0, 5),), ((3, 2),), ((-1, 2),), ((0, -1),), (), ((1 << 62, 1 << 62),)])
def test_slices_beyond_the_tensor(piece):
    with pytest.raises(ValueError, match="beyond its tensor|another rank"):
        within(piece, (4,))


def test_joined():
    tensor, ones = Tensor(1, (4,)), np.ones(2, np.float32)
    assert joined("w", tensor, [(((2, 2),), 2 * ones), (((0, 2),), ones)]).tolist() == [1, 1, 2, 2]
    with pytest.raises(ValueError, match="the slices of 'w' overlap"):
        joined("w", tensor, [(((0, 2),), ones), (((1, 2),), ones)])
    for pieces in ([], [(((0, 2),), ones)], [(((0, 2),), ones)] * 3):
        with pytest.raises(ValueError, match="the slices of 'w' do not make the whole"):
            joined("w", Tensor(1, (1 << 40,)) if pieces else tensor, pieces)


def test_bfloat16_keeps_its_values():
    found = of_bytes(Tensor(14, (3,)), memoryview(b"\xc0\x3f\x80\xff\x01\x00"), (3,))
    assert found.dtype == np.float32 and found.tolist() == [1.5, -np.inf, 2.0**-133]
