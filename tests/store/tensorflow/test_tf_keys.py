"""Keys of slices, against the keys that TensorFlow wrote."""

from pathlib import Path

from rewrite import table_entries

from slimtrain.store.tensorflow.keys import slice_key

FILES = Path(__file__).parent / "files"


def test_keys_are_those_of_the_files():
    written = {key for key, _ in table_entries((FILES / "partitioned/model.ckpt-3.index").read_bytes())}
    rows = [slice_key("parts/rows/weights", ((start, size), (0, 3))) for start, size in ((0, 3), (3, 2), (5, 2))]
    columns = [slice_key("parts/columns/weights", ((0, 2), (start, 2))) for start in (0, 2)]
    vector = [slice_key("parts/vector/weights", ((start, size),)) for start, size in ((0, 3), (3, 2))]
    assert {*rows, *columns, *vector} == {key for key in written if key.startswith(b"\0")}


def test_keys_sort_as_slices_do():
    numbers = [0, 1, 63, 64, 8191, 8192, 1 << 20, 1 << 40, (1 << 56) - 1, 1 << 56, (1 << 63) - 1]
    keys = [slice_key("w", ((n, None),)) for n in numbers]
    assert keys == sorted(keys) and len({*keys}) == len(keys)
    assert slice_key("w", ()) < slice_key("w", ((0, 1),)) < slice_key("w/x", ())
