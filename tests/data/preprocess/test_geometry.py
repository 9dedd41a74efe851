"""Sizes and places of images: the numbers are those of TensorFlow (`tests/data/tf/make.py`), the draws too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimtrain.data.preprocess import geometry
from slimtrain.data.preprocess.geometry import (
    central_crop,
    crop_to,
    random_crop_to,
    random_resize_shorter_side,
    random_resized_crop,
    resize,
    resize_shorter_side,
)
from slimtrain.errors import DataError

with np.load(Path(__file__).parents[1] / "tf" / "arithmetic.npz") as stored:
    TF = dict(stored)
IMAGE = TF["image"]
DRAW = np.random.default_rng(0)


def named(kind: str) -> list[str]:
    return [name for name in TF if name.startswith(f"{kind}/")]


def size_of(name: str) -> tuple[int, int]:
    height, width = name.split("/")[1].split("x")
    return int(height), int(width)


@pytest.mark.parametrize("name", [*named("bilinear"), *named("nearest")])
def test_resizes_as_tensorflow(name: str) -> None:
    method: Any = name.split("/")[0]
    made = resize(IMAGE, size=size_of(name), method=method)
    np.testing.assert_allclose(made, TF[name], rtol=0, atol=1e-4)
    assert made.dtype == (np.uint8 if method == "nearest" else np.float32)


@pytest.mark.parametrize("name", named("central"))
def test_crops_the_middle_as_tensorflow(name: str) -> None:
    np.testing.assert_array_equal(central_crop(IMAGE, fraction=float(name.split("/")[1])), TF[name])


@pytest.mark.parametrize("name", named("crop_to"))
def test_crops_and_pads_as_tensorflow(name: str) -> None:
    np.testing.assert_array_equal(crop_to(IMAGE, size=size_of(name)), TF[name])


@pytest.mark.parametrize(
    "shape, side, new", [((300, 400), 256, (256, 341)), ((500, 375), 256, (341, 256)), ((2, 9), 1, (1, 4))]
)
def test_the_shorter_side_gets_the_length(shape: tuple[int, int], side: int, new: tuple[int, int]) -> None:
    assert resize_shorter_side(np.zeros((*shape, 3), np.uint8), side=side).shape == (*new, 3)


def test_the_random_shorter_side_is_each_length_of_the_range() -> None:
    sides = {min(random_resize_shorter_side(IMAGE, DRAW, low=3, high=6).shape[:2]) for _ in range(100)}
    assert sides == {3, 4, 5, 6}
    with pytest.raises(DataError, match="low 9 is more than high 8"):
        random_resize_shorter_side(IMAGE, DRAW, low=9, high=8)


def test_random_crops_are_pieces_from_everywhere() -> None:
    windows = np.lib.stride_tricks.sliding_window_view(IMAGE, (11, 16), (0, 1))
    seen = set()
    for _ in range(200):
        piece = np.moveaxis(random_crop_to(IMAGE, DRAW, size=(11, 16)), -1, 0)
        seen |= set(zip(*map(list, np.nonzero((windows == piece).all((2, 3, 4)))), strict=True))
    assert seen == {(top, left) for top in range(3) for left in range(2)}
    with pytest.raises(DataError, match=r"an image of \[13, 17\] is smaller than \[14, 3\]; resize it before"):
        random_crop_to(IMAGE, DRAW, size=(14, 3))


def test_distorted_crops_have_tensorflows_distribution() -> None:
    found = []
    for _ in range(8000):
        piece = None
        while piece is None:
            piece = geometry._piece(DRAW, 300, 400, (0.1, 1.0), (0.75, 1.33))
        top, left, tall, wide = piece
        assert 0 <= top <= 300 - tall and 0 <= left <= 400 - wide
        found.append((tall * wide / 120_000, wide / tall, top / 300, left / 400))
    deciles = np.quantile(np.array(found), np.linspace(0.1, 0.9, 9), axis=0)
    np.testing.assert_allclose(deciles, TF["crops"], atol=0.035)


def test_a_distorted_crop_has_the_size_and_falls_back_to_the_whole_image() -> None:
    assert random_resized_crop(IMAGE, DRAW, size=(5, 8)).shape == (5, 8, 3)
    narrow = np.repeat(IMAGE[:, :1], 1, 1)
    made = random_resized_crop(narrow, DRAW, size=(5, 8), aspect=(50.0, 60.0))
    np.testing.assert_array_equal(made, resize(narrow, size=(5, 8)))
    for wrong in ({"area": (0.0, 1.0)}, {"area": (0.1, 2.0)}, {"aspect": (0.0, 1.0)}):
        with pytest.raises(DataError, match="random_resized_crop: area .* is out of range"):
            random_resized_crop(IMAGE, DRAW, size=(5, 8), **wrong)


FUNCTIONS: dict[str, Any] = {
    "resize": lambda image: resize(image, size=(5, 8)),
    "resize_shorter_side": lambda image: resize_shorter_side(image, side=5),
    "random_resize_shorter_side": lambda image: random_resize_shorter_side(image, DRAW),
    "central_crop": lambda image: central_crop(image, fraction=0.5),
    "crop_to": lambda image: crop_to(image, size=(5, 8)),
    "random_crop_to": lambda image: random_crop_to(image, DRAW, size=(5, 8)),
    "random_resized_crop": lambda image: random_resized_crop(image, DRAW, size=(5, 8)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_number_of_channels_and_the_image_is_left_alone(name: str, channels: int) -> None:
    image = DRAW.integers(0, 256, (13, 17, channels), dtype=np.uint8)
    before = image.copy()
    assert FUNCTIONS[name](image).shape[-1] == channels
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_image_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"an image of shape \[3, 4\] is not \[height, width, channels\]"):
        FUNCTIONS[name](np.zeros((3, 4), np.uint8))
