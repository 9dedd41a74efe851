"""Preprocessing and augmentation of images: batches [N, H, W, C] to batches of the same shape.

A function that takes `random` is an augmentation: it runs in training only.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.config.catalog import preprocess
from slimtrain.config.values import Count, Number, Numbers
from slimtrain.errors import DataError, Problem

Images = NDArray[Any]


@preprocess(main="scale", pointwise=True)
def rescale(images: Images, *, scale: Number = 1 / 255, offset: Number = 0.0) -> Images:
    """Gives `images * scale + offset` in float32.

    Args:
        scale: factor; the default brings unsigned bytes to 0..1.
        offset: what is added after the factor.
    """
    scaled: Images = np.multiply(images, np.float32(scale), dtype=np.float32)
    scaled += np.float32(offset)
    return scaled


@preprocess(pointwise=True)
def standardize(images: Images, *, mean: Numbers, std: Numbers = (1.0,)) -> Images:
    """Gives `(images - mean) / std` in float32, channel by channel.

    Args:
        mean: one number for all channels, or one a channel, in the units of the images.
        std: standard deviation, one number for all channels or one a channel, above 0.

    Raises:
        DataError: the numbers are not as many as the channels, or a `std` is not above 0.
    """
    means, stds = _per_channel("mean", mean, images), _per_channel("std", std, images)
    if not np.all(stds > 0):
        raise DataError(Problem("standardize", f"std is {list(std)}", "give standard deviations above 0"))
    # A row of pixels at a time: along an axis of three numpy takes five times as long.
    *leading, across, channels = (1, *images.shape)
    rows = images.reshape((*leading, across * channels))
    centered: Images = np.subtract(rows, np.tile(means, across), dtype=np.float32)
    centered /= np.tile(stds, across)
    return centered.reshape(images.shape)


@preprocess()
def per_image_standardization(images: Images) -> Images:
    """Brings each image to mean 0 and standard deviation 1 in float32.

    The deviation is taken as at least `1 / sqrt(H * W * C)`, which leaves a uniform image at 0.

    Source: TensorFlow, `tf.image.per_image_standardization`.
    """
    axes = tuple(range(1, images.ndim))
    centered: Images = np.subtract(images, images.mean(axes, dtype=np.float32, keepdims=True), dtype=np.float32)
    lowest = np.float32(images[0].size ** -0.5)
    centered /= np.maximum(centered.std(axes, keepdims=True), lowest)
    return centered


@preprocess()
def random_flip_left_right(images: Images, random: np.random.Generator) -> Images:
    """Mirrors each image, left to right, with probability one half."""
    _check_rank("random_flip_left_right", images)
    flipped, chosen = images.copy(), random.random(len(images)) < 0.5
    _pixels(flipped)[chosen] = _pixels(images)[chosen, :, ::-1]
    return flipped


@preprocess(main="pad")
def random_crop(images: Images, random: np.random.Generator, *, pad: Count = 4) -> Images:
    """Moves each image by up to `pad` pixels each way: pads with zeros and crops at a random place.

    Args:
        pad: pixels of zeros on each side.
    """
    _check_rank("random_crop", images)
    count, height, width = images.shape[:3]
    down, across = ([_moved(by, size) for by in range(pad, -pad - 1, -1)] for size in (height, width))
    tops, lefts = random.integers(0, 2 * pad + 1, (2, count, 1))[..., 0].tolist()
    cropped = np.zeros_like(images)
    for to, image, top, left in zip(cropped, images, tops, lefts, strict=True):
        (rows, of_rows), (columns, of_columns) = down[top], across[left]
        to[rows, columns] = image[of_rows, of_columns]
    return cropped


def _moved(by: int, size: int) -> tuple[slice, slice]:
    """Where what is left of an axis of a size comes to lie that is moved by so much, and where it was."""
    left, to, of = max(size - abs(by), 0), max(by, 0), max(-by, 0)
    return slice(to, to + left), slice(of, of + left)


def _pixels(images: Images) -> Images:
    """[N, H, W], the same memory where that is whole: a pixel's channels as one item, which numpy moves at once."""
    pixel = np.dtype((np.void, images.itemsize * prod(images.shape[3:])))
    return np.ascontiguousarray(images).reshape((*images.shape[:3], -1)).view(pixel)[..., 0]


def _per_channel(name: str, numbers: Numbers, images: Images) -> NDArray[np.float32]:
    channels = images.shape[-1]
    if len(numbers) not in (1, channels):
        what = f"{name} has {len(numbers)} numbers, the images have {channels} channels"
        raise DataError(Problem("standardize", what, f"give 1 or {channels} numbers"))
    return np.resize(np.array(numbers, np.float32), channels)


def _check_rank(name: str, images: Images) -> None:
    if images.ndim < 3:
        what = f"images of shape {list(images.shape)} have no height and width"
        raise DataError(Problem(name, what, "give the source images [N, H, W, C], or drop this step"))
