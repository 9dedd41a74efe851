"""Random colours of one image [H, W, C], in TensorFlow's arithmetic: augmentations, so they run in training only.

All give float32, in the units of the image.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.config.catalog import preprocess
from slimtrain.config.values import Fraction, NonNegative
from slimtrain.errors import DataError, Problem

Image = NDArray[Any]


@preprocess(main="max_delta")
def random_brightness(image: Image, random: np.random.Generator, *, max_delta: NonNegative = 32 / 255) -> Image:
    """Adds one random number to all of an image.

    Args:
        max_delta: the number is between -max_delta and max_delta, in the units of the image: 63 for 0..255,
            32 / 255 for 0..1.

    Source: TensorFlow, `tf.image.random_brightness`.
    """
    return brighter(image, random.uniform(-max_delta, max_delta))


@preprocess()
def random_contrast(
    image: Image, random: np.random.Generator, *, lower: NonNegative = 0.5, upper: NonNegative = 1.5
) -> Image:
    """Moves each channel of an image from or to its mean by a random factor.

    Args:
        lower: smallest factor.
        upper: largest factor.

    Source: TensorFlow, `tf.image.random_contrast`.
    """
    return contrasted(image, _factor("random_contrast", random, lower, upper))


@preprocess()
def random_saturation(
    image: Image, random: np.random.Generator, *, lower: NonNegative = 0.5, upper: NonNegative = 1.5
) -> Image:
    """Multiplies the saturation of an image in 0..1 by a random factor.

    Args:
        lower: smallest factor.
        upper: largest factor.

    Source: TensorFlow, `tf.image.random_saturation`.
    """
    return saturated(image, _factor("random_saturation", random, lower, upper))


@preprocess(main="max_delta")
def random_hue(image: Image, random: np.random.Generator, *, max_delta: Fraction = 0.2) -> Image:
    """Turns the hue of an image by a random share of the circle.

    Args:
        max_delta: the share is between -max_delta and max_delta; 0.5 is all hues.

    Source: TensorFlow, `tf.image.random_hue`.
    """
    return hued(image, random.uniform(-max_delta, max_delta))


ORDERS = (
    (random_brightness, random_saturation, random_hue, random_contrast),
    (random_saturation, random_brightness, random_contrast, random_hue),
    (random_contrast, random_hue, random_brightness, random_saturation),
    (random_hue, random_saturation, random_contrast, random_brightness),
)


@preprocess()
def distort_color(image: Image, random: np.random.Generator, *, fast: bool = True) -> Image:
    """Distorts the colours of an image in 0..1 as TF-Slim trains Inception, and cuts it to 0..1 again.

    Args:
        fast: brightness (32 / 255), then saturation (0.5..1.5); else hue (0.2) and contrast (0.5..1.5) too, in one
            of four orders, drawn at random.

    Source: TF-Slim, `inception_preprocessing`.
    """
    if image.dtype == np.uint8:
        raise DataError(Problem("distort_color", "the image is of unsigned bytes, not in 0..1", "put 'rescale' before"))
    steps: Sequence[Any] = ORDERS[0][:2] if fast else ORDERS[int(random.integers(len(ORDERS)))]
    for step in steps:
        image = step(image, random)
    cut: Image = np.clip(image, 0.0, 1.0)
    return cut


def brighter(image: Image, delta: float) -> Image:
    """The image with a number added."""
    made: Image = np.add(image, np.float32(delta), dtype=np.float32)
    return made


def contrasted(image: Image, factor: float) -> Image:
    """The image with its distance from each channel's mean multiplied."""
    means = image.mean((0, 1), dtype=np.float32)
    made: Image = np.subtract(image, means, dtype=np.float32)
    made *= np.float32(factor)
    made += means
    return made


def saturated(image: Image, factor: float) -> Image:
    """The image with its saturation multiplied and cut to 0..1, by each channel's distance from the largest."""
    most, least = _extremes("random_saturation", image)
    with np.errstate(divide="ignore", invalid="ignore"):
        before = np.where(most > 0, (most - least) / most, np.float32(0))
        ratio = np.where(before > 0, np.clip(before * np.float32(factor), 0, 1) / before, np.float32(0))
    made: Image = most - (most - image) * ratio
    return made


def hued(image: Image, delta: float) -> Image:
    """The image with its hue turned by a share of the circle; each pixel's largest and smallest value stay."""
    most, least = _extremes("random_hue", image)
    span = most - least
    hue = _hue(image, most[..., 0], span[..., 0]) + np.float32(6 * delta)
    turned = (hue[..., None] + np.array([0, 4, 2], np.float32)) % 6
    made: Image = least + span * np.clip(np.abs(turned - 3) - 1, 0, 1)
    return made


def _hue(image: Image, most: Image, span: Image) -> Image:
    """The hue of each pixel in -1..6: 0 is red, 2 green, 4 blue."""
    red, green, blue = np.moveaxis(image.astype(np.float32, copy=False), -1, 0)
    safe = np.where(span > 0, span, np.float32(1))
    at_blue = (red - green) / safe + 4
    at_green = np.where(most == green, (blue - red) / safe + 2, at_blue)
    hue: Image = np.where(most == red, (green - blue) / safe, at_green)
    return hue


def _factor(name: str, random: np.random.Generator, lower: float, upper: float) -> float:
    if lower > upper:
        raise DataError(Problem(name, f"lower {lower} is more than upper {upper}", "swap them"))
    return random.uniform(lower, upper)


def _extremes(name: str, image: Image) -> tuple[Image, Image]:
    if image.ndim != 3 or image.shape[-1] != 3:
        what = f"an image of shape {list(image.shape)} has not the channels red, green, blue"
        raise DataError(Problem(name, what, "give the source colour images, or drop this step"))
    red, green, blue = np.moveaxis(image.astype(np.float32, copy=False)[..., None], 2, 0)
    # Far faster than `max` over an axis of three.
    return np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
