"""Sizes and places of one image [H, W, C], of any size: resizing, central and random crops.

A function that takes `random` is an augmentation: it runs in training only.
"""

from math import floor, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from slimtrain.config.catalog import preprocess
from slimtrain.config.values import Count, KeepFraction, Range, Size2D
from slimtrain.errors import DataError, Problem

Image = NDArray[Any]
Pixels = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]


@preprocess(main="size")
def resize(image: Image, *, size: Size2D, method: Literal["bilinear", "nearest"] = "bilinear") -> Image:
    """Brings an image to a size, in the values that it has; `bilinear` gives float32.

    Pixel y of the result is taken from y * H / size, without half-pixel centres and without smoothing.

    Args:
        size: height and width, or one number for both.
        method: `bilinear` or `nearest`.

    Source: TF-Slim's preprocessing, by TF1's `resize_bilinear(align_corners=False)`.
    """
    _check("resize", image)
    rows, columns = (_places(old, new) for old, new in zip(image.shape[:2], size, strict=True))
    if method == "nearest":
        near: Image = image[rows[0][:, None], columns[0]]
        return near
    upper, lower = (_along_rows(image[chosen].astype(np.float32, copy=False), columns) for chosen in rows[:2])
    lower -= upper
    lower *= rows[2][:, None, None]
    lower += upper
    return lower


def _places(old: int, new: int) -> Pixels:
    """(pixel before, pixel after, how far between) for each pixel of the result."""
    exact = np.arange(new, dtype=np.float32) * np.float32(old / new)
    before = np.minimum(np.floor(exact).astype(np.intp), old - 1)
    return before, np.minimum(before + 1, old - 1), exact - before.astype(np.float32)


def _along_rows(image: Image, columns: Pixels) -> Image:
    left, right = image.take(columns[0], 1), image.take(columns[1], 1)  # three times as fast as indexing
    right -= left
    right *= columns[2][:, None]
    right += left
    return right


@preprocess(main="side")
def resize_shorter_side(image: Image, *, side: Count) -> Image:
    """Brings the shorter side of an image to a length and keeps its aspect.

    Args:
        side: pixels.

    Source: TF-Slim, `vgg_preprocessing`.
    """
    _check("resize_shorter_side", image)
    height, width = image.shape[:2]
    scale = np.float32(side) / np.float32(min(height, width))
    new = [max(int(np.rint(np.float32(length) * scale)), 1) for length in (height, width)]
    return resize(image, size=(new[0], new[1]))


@preprocess()
def random_resize_shorter_side(
    image: Image, random: np.random.Generator, *, low: Count = 256, high: Count = 512
) -> Image:
    """Brings the shorter side of an image to a random length and keeps its aspect.

    Args:
        low: smallest length, pixels.
        high: largest length, pixels.

    Source: TF-Slim, `vgg_preprocessing`.
    """
    if low > high:
        raise DataError(Problem("random_resize_shorter_side", f"low {low} is more than high {high}", "swap them"))
    return resize_shorter_side(image, side=int(random.integers(low, high + 1)))


@preprocess(main="fraction")
def central_crop(image: Image, *, fraction: KeepFraction) -> Image:
    """Cuts out the middle of an image.

    Args:
        fraction: share of the height and of the width that stays.

    Source: TensorFlow, `tf.image.central_crop`.
    """
    _check("central_crop", image)
    top, left = (int((length - length * fraction) / 2) for length in image.shape[:2])
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


@preprocess(main="size")
def crop_to(image: Image, *, size: Size2D) -> Image:
    """Brings an image to a size around its middle: cuts what is over, pads with zeros what lacks.

    Args:
        size: height and width, or one number for both.

    Source: TensorFlow, `tf.image.resize_with_crop_or_pad`, of TF-Slim's `lenet` and `cifarnet` preprocessing.
    """
    _check("crop_to", image)
    tops = [max((old - new) // 2, 0) for old, new in zip(image.shape[:2], size, strict=True)]
    cut = image[tops[0] : tops[0] + size[0], tops[1] : tops[1] + size[1]]
    lacks = [new - there for there, new in zip(cut.shape[:2], size, strict=True)]
    padded: Image = np.pad(cut, [*((lack // 2, lack - lack // 2) for lack in lacks), (0, 0)])
    return padded


@preprocess(main="size")
def random_crop_to(image: Image, random: np.random.Generator, *, size: Size2D) -> Image:
    """Cuts a piece of a size out of a random place of an image.

    Args:
        size: height and width, or one number for both; at most the image's.

    Raises:
        DataError: the image is smaller.

    Source: TF-Slim, `vgg_preprocessing`.
    """
    _check("random_crop_to", image)
    spare = [old - new for old, new in zip(image.shape[:2], size, strict=True)]
    if min(spare) < 0:
        told = f"an image of {list(image.shape[:2])} is smaller than {list(size)}"
        raise DataError(Problem("random_crop_to", told, "resize it before, or crop less"))
    top, left = (int(random.integers(0, room + 1)) for room in spare)
    return image[top : top + size[0], left : left + size[1]]


@preprocess(main="size")
def random_resized_crop(
    image: Image,
    random: np.random.Generator,
    *,
    size: Size2D,
    area: Range = (0.1, 1.0),
    aspect: Range = (0.75, 1.33),
    attempts: Count = 100,
) -> Image:
    """Cuts a piece of random size, aspect and place out of an image and brings it to a size, bilinearly.

    Where no piece of the drawn sizes fits within all attempts, the whole image is taken.

    Args:
        size: height and width of the result, or one number for both.
        area: smallest and largest share of the image's area, above 0 and up to 1. TF-Slim writes 0.05, and drops
            pieces that cover less than 0.1.
        aspect: smallest and largest width divided by height, above 0.
        attempts: how often a piece is drawn.

    Source: TF-Slim, `inception_preprocessing`; TensorFlow, `sample_distorted_bounding_box`.
    """
    _check("random_resized_crop", image)
    if not (0 < area[0] and area[1] <= 1 and aspect[0] > 0):
        told = f"area {list(area)} or aspect {list(aspect)} is out of range"
        raise DataError(Problem("random_resized_crop", told, "area is in 0..1, aspect above 0"))
    height, width = image.shape[:2]
    for _ in range(attempts):
        if (piece := _piece(random, height, width, area, aspect)) is not None:
            top, left, tall, wide = piece
            return resize(image[top : top + tall, left : left + wide], size=size)
    return resize(image, size=size)


def _piece(
    random: np.random.Generator, height: int, width: int, area: Range, aspect: Range
) -> tuple[int, int, int, int] | None:
    """(top, left, height, width) of a piece: the aspect uniform, then the height uniform among those that fit it."""
    ratio = random.uniform(*aspect)
    low, high = (sqrt(share * height * width / ratio) for share in area)
    highest = min(round(high), height, floor((width + 0.5) / ratio))
    tall = int(random.integers(min(round(low), highest), highest + 1))
    wide = round(tall * ratio)
    if not (0 < tall <= height and 0 < wide <= width):
        return None
    if not area[0] <= tall * wide / (height * width) <= area[1]:
        return None
    return int(random.integers(0, height - tall + 1)), int(random.integers(0, width - wide + 1)), tall, wide


def _check(name: str, image: Image) -> None:
    if image.ndim != 3 or not image.size:
        what = f"an image of shape {list(image.shape)} is not [height, width, channels]"
        raise DataError(Problem(name, what, "give the source images [N, H, W, C], or drop this step"))
