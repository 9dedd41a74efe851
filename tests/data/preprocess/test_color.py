"""Colours: the numbers are TensorFlow's (`tests/data/tf/make.py`), the draws lie in their ranges."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimtrain.data.preprocess import color
from slimtrain.data.preprocess.color import (
    brighter,
    contrasted,
    distort_color,
    hued,
    random_brightness,
    random_contrast,
    random_hue,
    random_saturation,
    saturated,
)
from slimtrain.data.preprocess.images import per_image_standardization
from slimtrain.errors import DataError

with np.load(Path(__file__).parents[1] / "tf" / "arithmetic.npz") as stored:
    TF = dict(stored)
BYTES, UNIT = TF["image"], TF["unit"]
CHANGES: dict[str, Any] = {
    "brightness": (brighter, UNIT),
    "contrast": (contrasted, BYTES),
    "saturation": (saturated, UNIT),
    "hue": (hued, UNIT),
}
CASES = [name for name in TF if name.split("/")[0] in CHANGES]


@pytest.mark.parametrize("name", CASES)
def test_changes_colours_as_tensorflow(name: str) -> None:
    kind, amount = name.split("/")
    change, image = CHANGES[kind]
    np.testing.assert_allclose(change(image, float(amount)), TF[name], rtol=1e-5, atol=1e-5)


def test_each_kind_of_change_is_compared() -> None:
    assert {name.split("/")[0] for name in CASES} == set(CHANGES)
    assert UNIT.min() < 0 and UNIT.max() > 1


def test_standardizes_as_tensorflow() -> None:
    np.testing.assert_allclose(per_image_standardization(BYTES[None])[0], TF["standardized"], atol=1e-5)


def test_colours_of_bytes_are_those_of_their_numbers() -> None:
    for change in (brighter, contrasted, saturated, hued):
        np.testing.assert_array_equal(change(BYTES, 0.3), change(BYTES.astype(np.float32), 0.3))


@pytest.mark.parametrize("fast", [True, False])
def test_distorted_colours_stay_in_their_range_and_differ(fast: bool) -> None:
    made = [distort_color(UNIT, np.random.default_rng(seed), fast=fast) for seed in range(8)]
    assert all(image.min() >= 0 and image.max() <= 1 and image.dtype == np.float32 for image in made)
    assert len({image.tobytes() for image in made}) == 8


def test_fast_distortion_is_brightness_then_saturation() -> None:
    draw = np.random.default_rng(3)
    by_hand = np.clip(random_saturation(random_brightness(UNIT, draw), draw), 0, 1)
    np.testing.assert_array_equal(distort_color(UNIT, np.random.default_rng(3)), by_hand)
    assert {len(set(order)) for order in color.ORDERS} == {4} and len(set(color.ORDERS)) == 4


def test_draws_lie_in_their_ranges() -> None:
    draw = np.random.default_rng(0)
    gray = np.full((1, 1, 3), 0.5, np.float32)
    added = [float(random_brightness(gray, draw, max_delta=0.25)[0, 0, 0]) - 0.5 for _ in range(200)]
    assert -0.25 <= min(added) < -0.2 and 0.2 < max(added) <= 0.25
    two = np.array([[[0.4] * 3, [0.6] * 3]], np.float32)
    factors = [float(np.ptp(random_contrast(two, draw, lower=0.2, upper=1.8))) / 0.2 for _ in range(200)]
    assert 0.2 <= min(factors) < 0.4 and 1.6 < max(factors) <= 1.8001


@pytest.mark.parametrize("function", [random_saturation, random_hue])
def test_gray_images_have_no_hue(function: Any) -> None:
    with pytest.raises(DataError, match=r"an image of shape \[2, 2, 1\] has not the channels red, green, blue"):
        function(np.zeros((2, 2, 1), np.float32), np.random.default_rng(0))


def test_ranges_and_bytes_that_are_not_meant() -> None:
    with pytest.raises(DataError, match="random_contrast: lower 2.0 is more than upper 1.5; swap them"):
        random_contrast(UNIT, np.random.default_rng(0), lower=2.0)
    with pytest.raises(DataError, match="not in 0..1; put 'rescale' before"):
        distort_color(BYTES, np.random.default_rng(0))
