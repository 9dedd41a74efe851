import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimtrain.data.arrays import arrays
from slimtrain.errors import DataError

IMAGES = np.arange(12, dtype=np.uint8).reshape(3, 4)


def saved(tmp_path: Path, name: str = "train.npz", **fields: Any) -> Path:
    np.savez(tmp_path / name, **fields)
    return tmp_path / name


def train_fields(path: Path, **names: str) -> dict[str, np.ndarray]:
    return dict(arrays(train=path, **names).splits["train"].fields)


def test_reads_both_splits_and_counts_the_classes(tmp_path: Path) -> None:
    train = saved(tmp_path, image=IMAGES, label=[0, 1, 2])
    test = saved(tmp_path, "test.npz", image=IMAGES[:2], label=[4, 0])
    dataset = arrays(train=train, test=test)
    assert {name: split.size for name, split in dataset.splits.items()} == {"train": 3, "test": 2}
    assert dataset.classes == 5


@pytest.mark.parametrize(
    ("given", "expected"),
    [("u1", "u1"), ("i8", "i4"), ("<u2", "i4"), (">f8", "f4"), ("f2", "f4"), ("f4", "f4"), ("?", "f4")],
)
def test_images_become_types_that_devices_take(tmp_path: Path, given: str, expected: str) -> None:
    images = IMAGES.astype(given)
    read = train_fields(saved(tmp_path, image=images))["image"]
    np.testing.assert_array_equal(read, images.astype(expected), strict=True)


@pytest.mark.parametrize(
    ("label", "dtype", "classes"),
    [
        (np.array([2, 0, 1], np.uint8), np.int32, 3),
        (np.array([True, False, True]), np.int32, 2),
        (np.array([2, -1, 1]), np.int32, None),
        (np.eye(3, dtype=np.int64), np.int32, None),
        (np.array([0.5, 1.5, 2.0]), np.float32, None),
    ],
)
def test_labels(tmp_path: Path, label: np.ndarray, dtype: Any, classes: int | None) -> None:
    dataset = arrays(train=saved(tmp_path, image=IMAGES, label=label))
    assert dataset.splits["train"].fields["label"].dtype == dtype
    assert dataset.classes == classes


def test_npy_is_images_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES)
    assert list(train_fields(tmp_path / "x.npy", image="x", label="y")) == ["image"]


def test_fields_are_renamed_and_others_kept(tmp_path: Path) -> None:
    path = saved(tmp_path, x=IMAGES, label=[0, 0, 0], fine=[1, 2, 3], depth=[1.0, 2.0, 3.0])
    fields = train_fields(path, image="x", label="fine")
    assert sorted(fields) == ["depth", "image", "label"]
    assert fields["label"].tolist() == [1, 2, 3]


def test_one_field_can_be_both(tmp_path: Path) -> None:
    fields = train_fields(saved(tmp_path, x=IMAGES), image="x", label="x")
    assert fields["image"].shape == fields["label"].shape


@pytest.mark.parametrize(
    ("fields", "names", "what"),
    [
        ({"x": IMAGES, "y": [1, 2, 3]}, {}, "has no field 'image'; there is 'x', 'y'; set 'image' and"),
        ({"image": IMAGES}, {"label": "y"}, "has no field 'y'; there is 'image'"),
        ({}, {}, "there is nothing"),
        ({"image": IMAGES, "label": [1, 2]}, {}, "in their number of examples: 'image' [3, 4], 'label' [2]"),
        ({"image": IMAGES[:0]}, {}, "a field is empty: 'image' [0, 4]"),
        ({"image": np.float32(1)}, {}, "a field is empty: 'image' []"),
        ({"image": IMAGES, "label": [0, 1, 2**31]}, {}, "'label' holds whole numbers that do not fit"),
        ({"image": np.array([2**63], np.uint64)}, {}, "do not fit 32 bits"),
        ({"image": np.array([1e300])}, {}, "numbers beyond the range of float32"),
        ({"image": IMAGES, "mask": IMAGES}, {}, "has a field 'mask'"),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, fields: dict[str, Any], names: dict[str, str], what: str) -> None:
    path = saved(tmp_path, **fields)
    with pytest.raises(DataError, match=re.escape(what)) as caught:
        arrays(train=path, **names)
    assert caught.value.problems[0].where == str(path) and caught.value.problems[0].hint


def test_infinity_and_nan_are_values(tmp_path: Path) -> None:
    read = train_fields(saved(tmp_path, image=np.array([np.inf, np.nan])))["image"]
    np.testing.assert_array_equal(read, [np.inf, np.nan])


def test_images_of_two_kinds_are_refused(tmp_path: Path) -> None:
    train, test = saved(tmp_path, image=IMAGES), saved(tmp_path, "test.npz", image=IMAGES[:, :2])
    with pytest.raises(DataError, match=r"test.npz: an image is \[4\] uint8 in train but \[2\] uint8 in test"):
        arrays(train=train, test=test)


def test_no_file_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file is given; set 'train', 'test' or both"):
        arrays()
    with pytest.raises(DataError, match="ends with '.pkl'; give a .npz or .npy file"):
        arrays(train=tmp_path / "x.pkl")
    with pytest.raises(DataError, match="gone.npz: cannot be read: No such file"):
        arrays(train=tmp_path / "gone.npz")
