import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimtrain.data.formats.tfrecord import records
from slimtrain.data.tfrecords import tfrecord
from slimtrain.errors import DataError

TF = Path(__file__).parent / "tf"


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A data set of three classes as TF-Slim's converter writes it, by TensorFlow."""
    for file in [*TF.glob("*.tfrecord"), TF / "labels.txt"]:
        shutil.copy(file, tmp_path)
    return tmp_path


def test_a_data_set_by_tensorflow(flowers: Path) -> None:
    data = tfrecord(path=flowers, check_crc=True)
    train, test = data.splits["train"].fields, data.splits["test"].fields
    assert data.names == ("daisy", "rose", "tulip") and data.classes == 3 and data.warnings == ()
    assert train["label"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1] and train["label"].dtype == np.int32
    assert test["label"].tolist() == [1, 2, 0]
    assert [train["image"][n].shape for n in range(8)] == [(9 + n, 14 - n, 3) for n in range(8)]
    for number in (1, 2):  # a PNG and a raw image of training are in the other file too
        np.testing.assert_array_equal(train["image"][number], test["image"][number - 1])


def test_labels_count_from_an_offset(flowers: Path) -> None:
    (flowers / "labels.txt").unlink()
    data = tfrecord(path=flowers)
    assert (data.names, data.classes) == ((), 3)
    with pytest.raises(DataError, match="record 0 has the label 0 and labels_offset is 1; correct either"):
        tfrecord(path=flowers, labels_offset=1)
    (flowers / "flowers_train_00000-of-00002.tfrecord").unlink()
    (flowers / "flowers_train_00001-of-00002.tfrecord").unlink()
    keep_first_two(flowers / "flowers_validation_00000-of-00001.tfrecord")
    (flowers / "labels.txt").write_text("0:background\n1:rose\n2:tulip\n")
    data = tfrecord(path=flowers, labels_offset=1)
    assert data.splits["test"].fields["label"].tolist() == [0, 1] and data.names == ("rose", "tulip")


def keep_first_two(path: Path) -> None:
    place = list(records(path))[1][0]
    path.write_bytes(path.read_bytes()[: place.offset + place.length + 4])


@pytest.mark.parametrize(
    "train, test",
    [
        (["mnist_train.tfrecord"], ["mnist_test.tfrecord"]),
        (["train-00000-of-00002", "train-00001-of-00002"], ["validation-00000-of-00001"]),
        (["train.record-00000-of-00001"], ["val.record-00000-of-00001"]),
        (["x_y-train.tfrecord-00000-of-00001"], ["x_y-test.tfrecord-00000-of-00001"]),
    ],
)
def test_names_of_files(tmp_path: Path, train: list[str], test: list[str]) -> None:
    for name in [*train, *test]:
        shutil.copy(TF / "flowers_validation_00000-of-00001.tfrecord", tmp_path / name)
    (tmp_path / "train.txt").write_text("not mine")
    data = tfrecord(path=tmp_path)
    assert {name: split.size for name, split in data.splits.items()} == {"train": 3 * len(train), "test": 3}


def damage(path: Path, number: int, at: int = 40) -> None:
    """Changes bytes in a record's data."""
    place = list(records(path))[number][0]
    content = bytearray(path.read_bytes())
    for n in range(place.offset + at, place.offset + place.length):
        content[n] = 0xFF
    path.write_bytes(bytes(content))


def test_a_record_that_is_no_example_stops_or_is_left_out(flowers: Path) -> None:
    path = flowers / "flowers_train_00001-of-00002.tfrecord"
    damage(path, 2, at=0)
    with pytest.raises(DataError, match="is damaged: no tf.train.Example"):
        tfrecord(path=flowers)
    data = tfrecord(path=flowers, on_error="skip")
    assert data.splits["train"].fields["label"].tolist() == [0, 1, 2, 0, 1, 2, 1]
    assert f"{flowers}: left out 1 of 8 images, which cannot be read; the first: {path} is damaged" in str(
        data.warnings[0]
    )


def test_an_image_that_cannot_be_decoded_names_its_record(flowers: Path) -> None:
    path = flowers / "flowers_train_00000-of-00002.tfrecord"
    path.write_bytes(path.read_bytes().replace(b"\x89PNG", b"\x89PNX"))
    images = tfrecord(path=flowers).splits["train"].fields["image"]
    with pytest.raises(
        DataError, match=r"cannot identify .*; record 1: write it again as JPEG or PNG, or leave it out"
    ):
        images[1]
    with pytest.raises(DataError, match="differs from its checksum"):
        tfrecord(path=flowers, check_crc=True).splits["train"].fields["image"][1]
    data = tfrecord(path=flowers, on_error="skip")
    assert data.splits["train"].fields["label"].tolist() == [0, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    "change, what",
    [
        (lambda f: (f / "flowers_train_00001-of-00002.tfrecord").unlink(), "has 1 of 2 files like flowers_train_00000"),
        (lambda f: shutil.copy(f / "labels.txt", f / "flowers_train_0-of-99999999999.tfrecord"), "has 3 of 9999999"),
        (lambda f: [p.unlink() for p in f.glob("*.tfrecord")], "holds no TFRecord files of a split; 'path' should be"),
        (lambda f: shutil.rmtree(f), "cannot be read: No such file or directory; 'path' should be a folder of files"),
        (lambda f: shutil.copy(f / "labels.txt", f / "birds_train.tfrecord"), "holds several data sets: birds_, flow"),
        (lambda f: (f / "labels.txt").write_text("0:a\n5:b\n"), "labels.txt: does not number the classes 0, 1, 2"),
        (lambda f: (f / "labels.txt").write_text("daisy\n"), "labels.txt: is damaged: invalid literal for int"),
        (lambda f: (f / "labels.txt").write_text("0:a\n1:b\n"), "has the label 2, but labels.txt has 2 classes"),
    ],
)  # fmt: skip
def test_refusals(flowers: Path, change: Any, what: str) -> None:
    change(flowers)
    with pytest.raises(DataError, match=what):
        tfrecord(path=flowers)


def test_an_example_of_other_features_is_refused(flowers: Path) -> None:
    path = flowers / "flowers_validation_00000-of-00001.tfrecord"
    path.write_bytes(path.read_bytes().replace(b"image/class/label", b"image/class/lapel"))
    with pytest.raises(DataError, match="record 0 has no image/encoded or no image/class/label; write it with"):
        tfrecord(path=flowers)


def test_mutated_data_sets_are_read_or_refused(flowers: Path) -> None:
    draw = random.Random(0)
    path = flowers / "flowers_validation_00000-of-00001.tfrecord"
    whole, places = path.read_bytes(), [place for place, _ in records(path)]
    for file in flowers.glob("*train*"):
        file.unlink()
    for _ in range(1000):
        content, place = bytearray(whole), draw.choice(places)
        for _ in range(draw.randrange(1, 6)):
            content[place.offset + draw.randrange(place.length)] = draw.randrange(256)
        path.write_bytes(bytes(content))
        try:
            images = tfrecord(path=flowers).splits["test"].fields["image"]
            assert all(images[n].dtype == np.uint8 for n in range(len(images)))
        except DataError:
            pass
