import io
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from slimtrain.data.formats.pictures import MOST_BYTES, decode, decode_file
from slimtrain.errors import DataError

TF = Path(__file__).parents[1] / "tf"
PHOTO = TF / "photo.jpg"
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int, bits: int = 8) -> bytes:
    """A PNG that declares a size and holds almost nothing."""
    head = struct.pack(">2I5B", width, height, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def test_a_jpeg_is_what_tensorflow_makes_of_it() -> None:
    with np.load(TF / "arithmetic.npz") as stored:
        np.testing.assert_array_equal(decode_file(PHOTO, 3), stored["jpeg"])


def test_gray_and_colour() -> None:
    gray = decode_file(TF / "gray.png", 1)
    assert gray.shape == (6, 5, 1) and gray.dtype == np.uint8
    np.testing.assert_array_equal(decode_file(TF / "gray.png", 3), np.repeat(gray, 3, -1))
    assert decode_file(PHOTO, 1).shape == (24, 31, 1)


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP"])
def test_formats_that_lose_nothing(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(Image.fromarray(PIXELS), form, **options)
    np.testing.assert_array_equal(decode(data, 3, Path("x")), PIXELS)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_other_modes_become_the_channels(mode: str) -> None:
    form = "TIFF" if mode == "CMYK" else "PNG"
    data = encoded(Image.fromarray(PIXELS).convert(mode), "JPEG" if form == "TIFF" else form)
    assert decode(data, 3, Path("x")).shape == (7, 9, 3) and decode(data, 1, Path("x")).shape == (7, 9, 1)


def test_transparency_is_dropped() -> None:
    clear = Image.fromarray(PIXELS).convert("RGBA")
    clear.putalpha(0)
    np.testing.assert_array_equal(decode(encoded(clear), 3, Path("x")), PIXELS)
    palette = Image.fromarray(PIXELS).convert("P")
    assert decode(encoded(palette, transparency=bytes(range(256))), 3, Path("x")).shape == (7, 9, 3)


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "cannot identify image file"),
        (b"hello", "cannot identify image file"),
        (PHOTO.read_bytes()[:900], "image file is truncated"),
        (encoded(Image.fromarray(PIXELS))[:-60], "truncated|broken|incomplete"),
        (encoded(Image.fromarray(PIXELS), "TIFF"), "cannot identify image file"),
        (
            encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 256)),
            "is an image of mode I;16; save it with 8 bits",
        ),
        (png_header(9000, 9000), "is an image of 9000 x 9000 pixels, more than 67108864; make it smaller"),
        (png_header(8000, 8000), "truncated|broken|incomplete|damaged"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(data)
    with pytest.raises(DataError, match=what) as caught:
        decode_file(path, 3)
    assert caught.value.problems[0].where == str(path) and caught.value.problems[0].hint


def test_a_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="^f.tfrecord: .*; record 3: write it again"):
        decode(b"x", 3, Path("f.tfrecord"), "record 3")


def test_a_file_far_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    with path.open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    with pytest.raises(DataError, match="has 268435457 bytes, more than an image should"):
        decode_file(path, 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_mutated_images_are_decoded_or_refused(form: str) -> None:
    draw, whole = random.Random(form), encoded(Image.fromarray(PIXELS), form)
    for _ in range(600):
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.randrange(1, 6)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        try:
            assert decode(bytes(content), 3, Path("x")).dtype == np.uint8
        except DataError:
            pass


def test_without_pillow_the_extra_is_named() -> None:
    code = (
        "import sys\nsys.modules['PIL'] = None\nfrom slimtrain.data.sources import image_folder\n"
        "try:\n    image_folder()\nexcept Exception as error:\n    raise SystemExit(str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "images: Pillow is not installed; pip install 'slimtrain[images]'\n"
