import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from slimtrain.data.folders import image_folder
from slimtrain.errors import DataError


def draw(path: Path, size: tuple[int, int] = (4, 5), value: int = 0) -> None:
    """An image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Three classes to train and two of them to test, with other files between."""
    for number, name in enumerate(
        ["train/rose/b.png", "train/rose/a.JPG", "train/daisy/x.png", "train/tulip/deep/y.gif"]
    ):
        draw(tmp_path / name, (4 + number, 5), number)
    for name in ("test/tulip/z.png", "test/daisy/w.bmp"):
        draw(tmp_path / name)
    for name in ("train/rose/notes.txt", "train/rose/._a.jpg", "train/readme.md", "train/.cache/c/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("no image")
    return tmp_path


def test_classes_are_the_folders_in_order(flowers: Path) -> None:
    data = image_folder(path=flowers)
    assert data.names == ("daisy", "rose", "tulip") and data.classes == 3 and data.warnings == ()
    train, test = data.splits["train"].fields, data.splits["test"].fields
    assert train["label"].tolist() == [0, 1, 1, 2] and test["label"].tolist() == [0, 2]
    assert train["label"].dtype == np.int32
    shapes = [train["image"][n].shape for n in range(4)]
    assert shapes == [(6, 5, 3), (5, 5, 3), (4, 5, 3), (7, 5, 3)]
    assert train["image"][2].max() == 0 and train["image"].dtype == np.uint8
    assert image_folder(path=flowers, channels=1).splits["train"].fields["image"][0].shape == (6, 5, 1)


@pytest.mark.parametrize("name", ["validation", "val"])
def test_the_other_split_has_several_names(flowers: Path, name: str) -> None:
    (flowers / "test").rename(flowers / name)
    assert image_folder(path=flowers).splits["test"].size == 2


def test_folders_may_lie_apart_and_one_is_enough(flowers: Path) -> None:
    data = image_folder(train=flowers / "train")
    assert set(data.splits) == {"train"} and data.splits["train"].size == 4
    data = image_folder(path=flowers, test=flowers / "train")
    assert data.splits["test"].size == 4
    shutil.rmtree(flowers / "train")
    assert image_folder(path=flowers).names == ("daisy", "tulip")


def test_an_image_that_cannot_be_read_stops_where_it_is_wanted(flowers: Path) -> None:
    bad = flowers / "train/rose/a.JPG"
    bad.write_bytes(bad.read_bytes()[:300])
    images = image_folder(path=flowers).splits["train"].fields["image"]
    assert images[0].shape == (6, 5, 3)
    with pytest.raises(DataError, match=re.escape(f"{bad}: ")) as caught:
        images[1]
    assert caught.value.problems[0].hint == "save the image again as JPEG or PNG, or take it away"


def test_or_is_left_out_and_told(flowers: Path) -> None:
    bad = flowers / "train/rose/a.JPG"
    bad.write_bytes(b"")
    data = image_folder(path=flowers, on_error="skip")
    train = data.splits["train"].fields
    assert train["label"].tolist() == [0, 1, 2]
    assert [train["image"][n].shape[0] for n in range(3)] == [6, 4, 7]
    (warning,) = data.warnings
    assert str(warning).startswith(f"{flowers}/train: left out 1 of 4 images, which cannot be read; the first: {bad} ")
    assert str(warning).endswith("; repair them or take them away   [warning]")
    for file in (flowers / "test").rglob("*.*"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="test: holds no image that can be read"):
        image_folder(path=flowers, on_error="skip")


@pytest.mark.parametrize(
    "arguments, what",
    [
        ({}, "source image_folder: no folder is given; set 'path', or 'train' and 'test'"),
        ({"path": "gone"}, "gone: is no folder"),
        ({"path": "train"}, "train: has no folder 'train' or 'test'; if it holds the class folders themselves, write"),
        ({"train": "gone"}, "gone: cannot be read: No such file or directory; it should hold a folder for each class"),
        ({"train": "train/rose"}, "rose: holds no class folders; it should hold a folder for each class"),
        ({"train": "empty"}, r"empty: holds no images \(.jpg, .jpeg, .png, .bmp, .gif, .webp\)"),
        ({"train": "test", "test": "train"}, "train: has the class 'rose', which is not among those to train on"),
    ],
)
def test_refusals(flowers: Path, arguments: dict[str, Any], what: str) -> None:
    (flowers / "empty" / "rose").mkdir(parents=True)
    with pytest.raises(DataError, match=what):
        image_folder(**{name: flowers / place for name, place in arguments.items()})


def test_one_image_folder_is_as_good_as_another_order_of_the_disk(flowers: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for file in sorted(flowers.joinpath("train").rglob("*.*"), reverse=True):
        (copy / file.relative_to(flowers)).parent.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            shutil.copy(file, copy / file.relative_to(flowers))
    one, other = (image_folder(path=path).splits["train"].fields for path in (flowers, copy))
    for number in range(4):
        np.testing.assert_array_equal(one["image"][number], other["image"][number])
