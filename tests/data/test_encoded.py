from pathlib import Path

import numpy as np
import pytest

from slimtrain.data.encoded import encoded_split, left_out
from slimtrain.data.formats.files import refusal
from slimtrain.errors import DataError


def read(number: int) -> np.ndarray:
    """Images of which every third is bad."""
    if number % 3 == 2:
        raise refusal(Path(f"{number}.png"), "is damaged", "draw it again")
    return np.full((2, 2, 1), number, np.uint8)


def test_images_are_read_when_they_are_wanted() -> None:
    split, warnings = encoded_split(Path("f"), read, [5, 6, 7, 8], "fail")
    assert split.fields["label"].tolist() == [5, 6, 7, 8] and warnings == ()
    with pytest.raises(DataError, match="2.png: is damaged"):
        split.fields["image"][2]


def test_or_all_of_them_at_once_and_the_bad_ones_are_left_out() -> None:
    split, (warning,) = encoded_split(Path("f"), read, range(9), "skip")
    assert split.fields["label"].tolist() == [0, 1, 3, 4, 6, 7]
    assert [int(split.fields["image"][n].max()) for n in range(6)] == [0, 1, 3, 4, 6, 7]
    told = "f: left out 3 of 9 images, which cannot be read; the first: 2.png is damaged; repair them or take them away"
    assert str(warning) == f"{told}   [warning]"
    assert left_out(Path("f"), [], 9) == ()


def test_no_image_is_no_split() -> None:
    with pytest.raises(DataError, match="f: holds no image that can be read"):
        encoded_split(Path("f"), lambda n: read(2), [0, 1], "skip")
