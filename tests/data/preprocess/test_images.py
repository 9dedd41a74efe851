from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimtrain.config.catalog import Catalog
from slimtrain.data.preprocess import images as module
from slimtrain.data.preprocess.images import (
    per_image_standardization,
    random_crop,
    random_flip_left_right,
    rescale,
    standardize,
)
from slimtrain.errors import DataError

DRAW = np.random.default_rng(0)
BATCH = DRAW.integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
FUNCTIONS = {
    "rescale": rescale,
    "standardize": lambda images: standardize(images, mean=(120.0,), std=(60.0,)),
    "per_image_standardization": per_image_standardization,
    "random_flip_left_right": lambda images: random_flip_left_right(images, np.random.default_rng(1)),
    "random_crop": lambda images: random_crop(images, np.random.default_rng(1)),
}


def test_all_functions_are_in_the_table_and_documented() -> None:
    found = Catalog.of([module]).kind("preprocess")
    assert sorted(found) == sorted(FUNCTIONS)
    assert all(p.doc for d in found.values() for p in d.parameters.values())


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["u1", "i4", "f4"])
def test_shape_stays_and_the_input_is_left_alone(name: str, dtype: str) -> None:
    images = BATCH.astype(dtype)
    before = images.copy()
    made = FUNCTIONS[name](images)
    assert made.shape == images.shape and not np.shares_memory(made, images)
    assert made.dtype == (images.dtype if name.startswith("random") else np.float32)
    np.testing.assert_array_equal(images, before)


def test_rescale_brings_bytes_to_the_unit_interval() -> None:
    scaled = rescale(np.array([0, 51, 255], np.uint8))
    np.testing.assert_allclose(scaled, [0, 0.2, 1], rtol=1e-6)
    np.testing.assert_allclose(rescale(np.array([0, 255]), scale=2 / 255, offset=-1.0), [-1, 1], atol=1e-6)


def test_standardize_is_by_channel() -> None:
    made = standardize(BATCH, mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0))
    np.testing.assert_allclose(made, (BATCH - np.array([1.0, 2.0, 3.0])) / [1, 2, 4], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"mean": (1.0, 2.0), "std": (1.0,)}, "mean has 2 numbers, the images have 3 channels; give 1 or 3"),
        ({"mean": (1.0,), "std": ()}, "std has 0 numbers"),
        ({"mean": (1.0,), "std": (1.0, 0.0, 1.0)}, "std is .* above 0"),
    ],
)
def test_standardize_refuses_what_does_not_fit(arguments: dict[str, Any], what: str) -> None:
    with pytest.raises(DataError, match=what):
        standardize(BATCH, **arguments)


def test_each_image_gets_mean_0_and_deviation_1() -> None:
    made = per_image_standardization(BATCH)
    np.testing.assert_allclose(made.mean((1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(made.std((1, 2, 3)), 1, rtol=1e-5)


def test_the_deviation_has_a_floor() -> None:
    images = np.zeros((1, 2, 2, 1), np.float32)
    assert not per_image_standardization(images + 7).any()
    images[0, 0, 0, 0] = 0.4
    np.testing.assert_allclose(per_image_standardization(images)[0, 0, 0, 0], 0.3 / 0.5, rtol=1e-6)


def test_each_image_is_flipped_or_not() -> None:
    images = DRAW.integers(0, 256, (400, 2, 5, 1), dtype=np.uint8)
    made = random_flip_left_right(images, np.random.default_rng(0))
    same = (made == images).all((1, 2, 3))
    mirrored = (made == images[:, :, ::-1]).all((1, 2, 3))
    assert (same | mirrored).all()
    assert 150 < mirrored.sum() < 250


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32))
def test_each_crop_is_a_window_of_the_padded_image(height: int, width: int, pad: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(1, 256, (3, height, width, 2), dtype=np.uint8)
    made = random_crop(images, np.random.default_rng(seed), pad=pad)
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (1, 2))
    matches = (windows == np.moveaxis(made, -1, 1)[:, None, None]).all((3, 4, 5))
    assert matches.any((1, 2)).all()


def test_crops_go_everywhere() -> None:
    images = np.zeros((500, 3, 3, 1), np.uint8)
    images[:, 1, 1] = 1
    made = random_crop(images, np.random.default_rng(0), pad=1)
    assert (made.sum(0) > 20).all()


@pytest.mark.parametrize("function", [random_flip_left_right, random_crop])
def test_augmentations_want_height_and_width(function: Any) -> None:
    with pytest.raises(DataError, match=r"images of shape \[6, 5\] have no height and width; "):
        function(BATCH[:, :, 0, 0], np.random.default_rng(0))
    assert function(BATCH[..., 0], np.random.default_rng(0)).shape == BATCH.shape[:3]
