"""Batches of a document's data: images of many sizes, every example once, the same whatever the threads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from slimtrain.data.records import Split
from slimtrain.errors import DataError
from slimtrain.jobs.build import feed, make_task, network, open_data
from slimtrain.jobs.feed import Feed
from slimtrain.jobs.target import load

CONFIG = """\
data:
  source: image_folder
  path: images
  batch_size: 5
  augment: [{random_resized_crop: 6}, random_flip_left_right, rescale, distort_color]
  preprocess: [{rescale: {scale: 2.0, offset: -1.0}}]
  eval_preprocess: [{central_crop: 0.875}, {resize: 6}, {rescale: {scale: 0.00784, offset: -1.0}}]
model:
  layers: [flatten, {fully_connected: {num_outputs: 2, activation_fn: null, scope: logits}}]
losses: [sparse_softmax_cross_entropy]
metrics: [accuracy]
optimizer: {sgd: 0.1}
train: {steps: 4}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config with two classes of images of many sizes, its data beside it."""
    place, draw = tmp_path_factory.mktemp("feed"), np.random.default_rng(0)
    for split, count in (("train", 7), ("test", 6)):
        for name in ("bright", "dark"):
            (place / "images" / split / name).mkdir(parents=True)
            for number in range(count):
                low, high = (128, 256) if name == "bright" else (0, 128)
                pixels = draw.integers(low, high, (8 + number, 12 - number % 3, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / "images" / split / name / f"{number}.png")
    (place / "net.yaml").write_text(CONFIG)
    return place


def batches_of(folder: Path, *words: str) -> Feed:
    document = load(folder / "net.yaml", words)
    data = open_data(document)
    net = network(document, data)
    return feed(document, data, make_task(document, net).objective, net)


def all_of(made: Feed, split: Split) -> list[Any]:
    """The batches of an evaluation."""
    count = made.eval_count(split)
    with made.eval_batches(split, count) as at:
        return [at(number) for number in range(count)]


def test_the_networks_input_is_what_preprocessing_makes(folder: Path) -> None:
    assert network(load(folder / "net.yaml")).shape == (6, 6, 3)
    words = ["data={source: cifar10, path: none, preprocess: [{crop_to: 24}]}"]
    assert network(load(folder / "net.yaml", words)).shape == (24, 24, 3)


def test_training_and_evaluation_end_in_one_size(folder: Path) -> None:
    told = r"images are \[6, 6, 3\] in training, but \[7, 7, 3\] in evaluations; let 'augment'"
    with pytest.raises(DataError, match=told):
        batches_of(folder, "data.eval_preprocess=[{resize: 7}, rescale]")
    with pytest.raises(DataError, match="images of .* sizes in a batch"):
        made = batches_of(folder, "data.augment=[]", "data.eval_preprocess=null")
        made.train_batch(made.split("train"), 0)


def test_without_its_own_steps_an_evaluation_takes_those_of_training_but_the_random_ones(folder: Path) -> None:
    words = ["data.augment=[]", "data.eval_preprocess=null", "data.preprocess=[{resize: 6}, random_flip_left_right]"]
    made = batches_of(folder, *words)
    test = made.split("test")
    one, again = (np.concatenate([b["image"] for b in all_of(made, test)]) for _ in range(2))
    np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize("size", [1, 4, 5, 11, 12, 13, 50])
def test_an_evaluation_counts_every_image_once(folder: Path, size: int) -> None:
    made = batches_of(folder, f"data.eval_batch_size={size}")
    test = made.split("test")
    batches = all_of(made, test)
    assert len(batches) == made.eval_count(test)
    counted = np.concatenate([b["image"][b["mask"] == 1] for b in batches])
    np.testing.assert_array_equal(counted, made.examples(test, 12)["image"])
    assert np.concatenate([b["label"][b["mask"] == 1] for b in batches]).tolist() == [0] * 6 + [1] * 6


def test_batches_are_the_same_ahead_alone_and_in_any_number_of_threads(folder: Path) -> None:
    made = batches_of(folder)
    train = made.split("train")
    alone = [made.train_batch(train, step) for step in range(6)]
    for workers in (1, 2, 7):
        threaded = batches_of(folder, f"data.workers={workers}")
        with threaded.train_batches(train, 6) as at:
            for step in (0, 1, 2, 3, 4, 5):
                again = at(step)
                np.testing.assert_array_equal(again["image"], alone[step]["image"])
                assert again["label"].tolist() == alone[step]["label"].tolist()
        with threaded.train_batches(train, 6) as at:
            np.testing.assert_array_equal(at(4)["image"], alone[4]["image"])
    assert alone[0]["image"].min() >= -1 and alone[0]["image"].max() <= 1
    assert len({batch["image"].tobytes() for batch in alone}) == 6
