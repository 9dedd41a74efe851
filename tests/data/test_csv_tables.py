import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from slimtrain.data.tables import csv
from slimtrain.errors import DataError


def write(folder: Path, text: str, name: str = "train.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_numbers_and_a_label(tmp_path: Path) -> None:
    data = csv(train=write(tmp_path, "a,label,b\n1,2,0.5\n-3e2,0,7\n"))
    fields = data.splits["train"].fields
    assert fields["image"].tolist() == [[1, 0.5], [-300, 7]] and fields["image"].dtype == np.float32
    assert fields["label"].tolist() == [2, 0] and fields["label"].dtype == np.int32
    assert (data.classes, data.names) == (3, ())


def test_what_spreadsheets_write(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes('\ufeff"a", label\r\n"1",2\r\n\r\n3 , 4\r\n'.encode())
    fields = csv(train=path).splits["train"].fields
    assert fields["image"].tolist() == [[1], [3]] and fields["label"].tolist() == [2, 4]


def test_numbers_are_shaped(tmp_path: Path) -> None:
    path = write(tmp_path, "kind," + ",".join(f"p{n}" for n in range(6)) + "\n1,0,1,2,3,4,5\n")
    image = csv(train=path, label="kind", shape=(2, 3, 1)).splits["train"].fields["image"]
    assert image.shape == (1, 2, 3, 1) and image[0, 1, 0, 0] == 3


def test_labels_may_be_words_fractions_or_missing(tmp_path: Path) -> None:
    train, test = write(tmp_path, "a,label\n1,pear\n2,apple\n"), write(tmp_path, "a,label\n1,pear\n", "test.csv")
    data = csv(train=train, test=test)
    assert data.names == ("apple", "pear") and data.classes == 2
    assert [data.splits[s].fields["label"].tolist() for s in ("train", "test")] == [[1, 0], [1]]
    data = csv(train=write(tmp_path, "a,label\n1,0.5\n2,3\n"))
    assert data.splits["train"].fields["label"].dtype == np.float32 and data.classes is None
    data = csv(train=write(tmp_path, "a\n1\n"))
    assert set(data.splits["train"].fields) == {"image"} and data.classes is None
    assert csv(train=write(tmp_path, "a,label\n1,-1\n")).classes is None


def test_a_column_of_image_files(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(3):
        Image.fromarray(np.full((2 + number, 4, 3), number, np.uint8)).save(tmp_path / "images" / f"{number}.png")
    text = "name,label,note\nimages/2.png,pear,x\nimages/0.png,apple,y\nimages/1.png,fig,\n"
    path = write(tmp_path, text)
    data = csv(train=path, file="name")
    fields = data.splits["train"].fields
    assert [fields["image"][n].shape for n in range(3)] == [(4, 4, 3), (2, 4, 3), (3, 4, 3)]
    assert fields["label"].tolist() == [2, 0, 1] and data.names == ("apple", "fig", "pear")
    (tmp_path / "images" / "0.png").unlink()
    with pytest.raises(DataError, match="images/0.png: cannot be read: No such file"):
        csv(train=path, file="name").splits["train"].fields["image"][1]
    data = csv(train=path, file="name", on_error="skip")
    assert data.splits["train"].fields["label"].tolist() == [2, 1]
    assert "left out 1 of 3 images" in str(data.warnings[0])


@pytest.mark.parametrize(
    "text, arguments, what",
    [
        ("", {}, "holds no examples; write a first line of column names"),
        ("a,label\n", {}, "holds no examples"),
        ("a,a\n1,2\n", {}, "names a column twice"),
        ("a,label\n1\n", {}, "row 1 has 1 values for 2 columns"),
        ("a,label\n1,2\nx,3\n", {}, "row 2 holds 'x', which is no number; correct it"),
        ("a,label\n1e99,2\n", {}, "row 1 holds 1e99, beyond the range of float32"),
        ("a,kind\n1,2\n", {"label": "kid"}, "has no column 'kid'; did you mean 'kind'?"),
        ("a,label\n1,2\n", {"file": "b"}, "has no column 'b'"),
        ("label\n2\n", {}, r"has 0 columns besides the label, images of shape \[1\] need 1"),
        ("a,b,label\n1,2,3\n", {"shape": (3, 1)}, r"has 2 columns besides the label, images of shape \[3, 1\] need 3"),
        ('a,label\n"1,2\n', {}, "is damaged: unexpected end of data"),
        ("a,label\n1,nan\n", {}, "row 1 holds 'nan' as a label"),
    ],
)
def test_refusals(tmp_path: Path, text: str, arguments: dict[str, Any], what: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=what) as caught:
        csv(train=path, **arguments)
    assert caught.value.problems[0].where == str(path)


def test_other_refusals(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file is given; set 'train', 'test' or both"):
        csv()
    with pytest.raises(DataError, match="gone.csv: cannot be read: No such file"):
        csv(train=tmp_path / "gone.csv")
    train, test = write(tmp_path, "a,label\n1,pear\n"), write(tmp_path, "a,label\n1,fig\n", "test.csv")
    with pytest.raises(DataError, match="test.csv: has the label 'fig', which is not among those to train on"):
        csv(train=train, test=test)
    other = write(tmp_path, "b,label\n1,pear\n", "other.csv")
    with pytest.raises(DataError, match="other.csv: has 'b' where the columns to train on have 'a'"):
        csv(train=train, test=other)


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    draw, whole = random.Random(0), b'a,label,b\n1,2,0.5\n-3e2,0,"7"\n1,1,1\n'
    path = tmp_path / "train.csv"
    for _ in range(1500):
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.randrange(1, 5)):
            content[draw.randrange(len(content))] = draw.choice([draw.randrange(256), *b'",\n\r\0'])
        path.write_bytes(bytes(content))
        try:
            csv(train=path)
        except DataError:
            pass


def test_a_line_without_an_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path, "a,label\n1,2\n")
    with path.open("r+b") as file:
        file.truncate(2**31)  # a hole, which reads as zeros
    with pytest.raises(DataError, match="has a line of more than 16777216 characters"):
        csv(train=path)
    with path.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match="has more than 4294967296 bytes"):
        csv(train=path)
