import numpy as np

from slimtrain.data.records import Split


def test_a_split_has_the_size_of_its_fields() -> None:
    assert Split({"image": np.zeros((7, 2)), "label": np.zeros(7)}).size == 7
