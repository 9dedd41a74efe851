"""Encoded images (JPEG, PNG, BMP, GIF, WebP), by Pillow, which is imported only where an image is decoded."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.data.formats.files import reading, refusal, size_of
from slimtrain.errors import Problem, SlimtrainError
from slimtrain.wire.regular import small

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
MODES = {1: "L", 3: "RGB"}
EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
MOST_PIXELS = 2**26
MOST_BYTES = 2**28
CURE = "save the image again as JPEG or PNG, or take it away"


def pillow() -> Any:
    """Pillow's `Image`; raises SlimtrainError where it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        hint = "pip install 'slimtrain[images]'"
        raise SlimtrainError(Problem("images", "Pillow is not installed", hint)) from None
    return Image


def decode(data: bytes, channels: int, path: Path, which: str = "") -> NDArray[np.uint8]:
    """Decodes an image; its orientation tag is not heeded, transparency is dropped.

    Args:
        data: the encoded image.
        channels: 1 for gray, 3 for red, green, blue.
        path: the file that it comes from, for messages.
        which: what it is in that file, where it is not the whole: `record 3`.

    Returns:
        Array [H, W, channels].

    Raises:
        DataError: the image is damaged, of no known format, of more than 8 bits a channel, or has more than
            67 million pixels.
    """
    cure = CURE if not which else f"{which}: write it again as JPEG or PNG, or leave it out"
    module = pillow()
    with reading(path, cure), module.open(BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            told = f"is an image of {image.width} x {image.height} pixels, more than {MOST_PIXELS}"
            raise refusal(path, told, "make it smaller")
        if image.mode not in EIGHT_BITS:
            raise refusal(path, f"is an image of mode {image.mode}", "save it with 8 bits a channel")
        image.info.pop("transparency", None)  # Pillow warns of it, though transparency is dropped anyway
        array = np.array(image.convert(MODES[channels]))
    return array.reshape(*array.shape[:2], channels)


def decode_file(path: Path, channels: int) -> NDArray[np.uint8]:
    """Decodes the image in a file: see `decode`."""
    if (size := size_of(path, CURE)) > MOST_BYTES:
        raise refusal(path, f"has {size} bytes, more than an image should", CURE)
    with reading(path, CURE):
        data = small(path, MOST_BYTES)
    return decode(data, channels, path)
