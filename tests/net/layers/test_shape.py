"""Layers that change shapes."""

import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers, scope

from slimtrain.errors import ConfigError
from slimtrain.net.layers.shape import (
    crop,
    images_to_sequence,
    one_hot_encoding,
    pad,
    reshape,
    sequence_to_images,
    squeeze,
)


def test_shapes():
    inputs = jnp.asarray(numbers(2, 1, 6, 1))
    assert reshape(scope(), inputs, shape=(3, -1)).shape == (2, 3, 2)
    assert squeeze(scope(), inputs).shape == (2, 6)
    assert squeeze(scope(), inputs, axis=(1,)).shape == (2, 6, 1)
    assert pad(scope(), inputs, paddings=((1, 0), (2, 3))).shape == (2, 2, 11, 1)


def test_padding_modes():
    row = jnp.asarray([[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(pad(scope(), row, paddings=((1, 1),), constant_values=9.0), [[9, 1, 2, 3, 9]])
    np.testing.assert_array_equal(pad(scope(), row, paddings=((2, 0),), mode="REFLECT"), [[3, 2, 1, 2, 3]])
    np.testing.assert_array_equal(pad(scope(), row, paddings=((2, 0),), mode="SYMMETRIC"), [[2, 1, 1, 2, 3]])


def test_cropping():
    inputs = jnp.asarray(numbers(2, 4, 5, 3))
    np.testing.assert_array_equal(crop(scope(), inputs, croppings=((1, 0), (0, 2))), inputs[:, 1:, :3])
    np.testing.assert_array_equal(crop(scope(), inputs, croppings=()), inputs)
    padded = pad(scope(), inputs, paddings=((2, 1),))
    np.testing.assert_array_equal(crop(scope(), padded, croppings=((2, 1),)), inputs)


def test_one_hot_encoding():
    got = one_hot_encoding(scope(), jnp.asarray([0, 2, 5]), num_classes=3, on_value=2.0, off_value=-1.0)
    np.testing.assert_array_equal(got, [[2, -1, -1], [-1, -1, 2], [-1, -1, -1]])


@pytest.mark.parametrize("order", ["channels_last", "channels_first"])
def test_images_become_sequences_and_images_again(order):
    images = jnp.asarray(numbers(2, 3, 4, 5))
    sequence = images_to_sequence(scope(), images, data_format=order)
    assert sequence.shape == ((4, 6, 5) if order == "channels_last" else (5, 8, 3))
    height = 3 if order == "channels_last" else 4
    again = sequence_to_images(scope(), sequence, height=height, output_data_format=order)
    np.testing.assert_array_equal(again, images)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("reshape: {shape: [5]}", "[5] does not hold the 32 values of [batch, 4, 4, 2]"),
        ("reshape: {shape: [-1, -1]}", "[-1, -1] does not hold"),
        ("squeeze: {axis: [1]}", "axis 1 of the inputs [batch, 4, 4, 2] is not of length 1"),
        ("squeeze: {axis: [0]}", "axis 0 of the inputs"),
        ("pad: {paddings: [[0, 4]], mode: REFLECT}", "are longer than REFLECT can mirror"),
        ("pad: {paddings: [[1, 1], [1, 1], [1, 1], [1, 1]]}", "4 pairs for inputs [batch, 4, 4, 2]"),
        ("crop: {croppings: [[2, 2]]}", "croppings [[2, 2]] leave nothing of [batch, 4, 4, 2]"),
        ("crop: {croppings: [[0, 0], [0, 0], [0, 0], [0, 0]]}", "4 pairs for inputs [batch, 4, 4, 2]"),
        ("pad: {paddings: 3}", "should be a list of [before, after], got 3"),
        ("sequence_to_images: {height: 2}", "expects inputs of rank 3, got rank 4"),
    ],
)
def test_arguments_that_do_not_fit_are_told(item, words):
    with pytest.raises(ConfigError, match="net.yaml:1:") as caught:
        layers(f"[{{{item}}}]")
    assert words in str(caught.value)
