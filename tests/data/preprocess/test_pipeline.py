from functools import partial

import numpy as np
import pytest

from slimtrain.data.preprocess.images import random_crop, random_flip_left_right, rescale
from slimtrain.data.preprocess.pipeline import apply, augment_random, default, is_augmentation

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
    trained = apply(steps, BATCH, augment_random(0, 3))
    assert (trained != rescale(BATCH)).any()


def test_augmentation_is_a_function_of_seed_and_step() -> None:
    once, again = (apply([random_crop], BATCH, augment_random(5, 7)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    for other in (augment_random(5, 8), augment_random(6, 7)):
        assert (apply([random_crop], BATCH, other) != once).any()
