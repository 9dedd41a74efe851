from functools import partial
from typing import Any

import numpy as np
import pytest

from slimtrain.data.ahead import workers
from slimtrain.data.preprocess.color import random_brightness
from slimtrain.data.preprocess.geometry import random_crop_to, random_resized_crop, resize
from slimtrain.data.preprocess.images import random_crop, random_flip_left_right, rescale
from slimtrain.data.preprocess.pipeline import apply, augment_random, default, is_augmentation, is_for_one
from slimtrain.data.records import Pictures
from slimtrain.errors import DataError

BATCH = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 1), dtype=np.uint8)


def test_the_default_brings_bytes_to_the_unit_interval_and_leaves_floats() -> None:
    made = apply(default(np.uint8), BATCH)
    np.testing.assert_allclose(made, BATCH / 255, rtol=1e-6)
    assert default(np.float32) == () and default("int32") == ()


@pytest.mark.parametrize("step", [random_flip_left_right, random_crop, partial(random_crop, pad=2)])
def test_what_takes_random_is_an_augmentation(step: partial[np.ndarray]) -> None:
    assert is_augmentation(step)
    assert not is_augmentation(partial(rescale, scale=2.0))


def test_steps_run_in_order() -> None:
    steps = [partial(rescale, scale=2.0), partial(rescale, scale=1.0, offset=1.0)]
    np.testing.assert_array_equal(apply(steps, BATCH), BATCH * np.float32(2) + 1)


def test_augmentation_runs_in_training_only() -> None:
    steps = [random_crop, rescale]
    np.testing.assert_array_equal(apply(steps, BATCH), rescale(BATCH))
    trained = apply(steps, BATCH, partial(augment_random, 0, 3))
    assert (trained != rescale(BATCH)).any()


def test_augmentation_is_a_function_of_seed_and_step() -> None:
    once, again = (apply([random_crop], BATCH, partial(augment_random, 5, 7)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    for other in (partial(augment_random, 5, 8), partial(augment_random, 6, 7)):
        assert (apply([random_crop], BATCH, other) != once).any()


def pictures(sizes: Any = range(4, 12)) -> Pictures:
    """Images of growing sizes, each filled with its number."""
    shapes = [(size, size + 1, 3) for size in sizes]
    return Pictures(lambda n: np.full(shapes[n], n, np.uint8), np.arange(len(shapes)))


def test_what_takes_an_image_runs_for_one() -> None:
    assert is_for_one(resize) and is_for_one(partial(random_resized_crop, size=(2, 2)))
    assert not is_for_one(rescale) and not is_for_one(random_crop)


def test_pictures_of_many_sizes_become_a_batch() -> None:
    made = apply([partial(resize, size=(3, 2)), partial(rescale, scale=1.0)], pictures()[np.array([5, 2, 2])])
    assert made.shape == (3, 3, 2, 3) and made[:, 0, 0, 0].tolist() == [5, 2, 2]


def test_steps_for_one_and_for_batches_take_turns() -> None:
    steps = [partial(resize, size=(6, 6)), rescale, partial(resize, size=(3, 3)), partial(rescale, scale=255.0)]
    np.testing.assert_allclose(apply(steps, pictures())[:, 0, 0, 0], range(8), rtol=1e-6)


def test_pictures_of_one_size_need_no_resizing_and_others_do() -> None:
    assert apply([rescale], pictures([5, 5])).shape == (2, 5, 6, 3)
    assert apply([], pictures([5, 5])).dtype == np.uint8
    with pytest.raises(DataError, match=r"images of 2 sizes in a batch, \[5, 6, 3\] and \[7, 8, 3\] among them; bring"):
        apply([rescale], pictures([5, 5, 7]))


def test_every_example_draws_for_itself() -> None:
    same = np.tile(np.arange(100.0, dtype=np.float32).reshape(1, 10, 10, 1), (6, 1, 1, 1))
    steps = [partial(random_crop_to, size=(4, 4)), partial(random_brightness, max_delta=0.5)]
    made = apply(steps, same, partial(augment_random, 0, 0))
    assert len({image.tobytes() for image in made}) == 6


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_threads_change_nothing(count: int) -> None:
    steps = [partial(random_resized_crop, size=(4, 4)), random_brightness, random_flip_left_right, random_brightness]
    alone = apply(steps, pictures(), partial(augment_random, 1, 2))
    with workers(count) as each:
        np.testing.assert_array_equal(apply(steps, pictures(), partial(augment_random, 1, 2), each), alone)
