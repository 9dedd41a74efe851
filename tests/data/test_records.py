import numpy as np

from slimtrain.data.records import Pictures, Split


def test_a_split_has_the_size_of_its_fields() -> None:
    assert Split({"image": np.zeros((7, 2)), "label": np.zeros(7)}).size == 7


def test_pictures_are_read_where_one_is_wanted() -> None:
    read: list[int] = []

    def image(number: int) -> np.ndarray:
        read.append(number)
        return np.full((2, 3, 1), number, np.uint8)

    images = Pictures(image, np.array([4, 7, 9]))
    part = images[1:][np.array([1, 0, 1])]
    assert (len(images), len(part), part.dtype, read) == (3, 3, np.uint8, [])
    assert part[0][0, 0, 0] == 9 and images[0][0, 0, 0] == 4 and read == [9, 4]
