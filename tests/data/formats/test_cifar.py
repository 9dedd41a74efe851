import random
from pathlib import Path

import numpy as np
import pytest

from slimtrain.data.formats.cifar import read_cifar
from slimtrain.errors import DataError


@pytest.mark.parametrize("label_bytes", [1, 2])
def test_reads_planes_as_channels_last(tmp_path: Path, label_bytes: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(3 * label_bytes, dtype=np.uint8).reshape(3, label_bytes)
    records = np.concatenate([labels, images.transpose(0, 3, 1, 2).reshape(3, -1)], axis=1)
    path = tmp_path / "batch.bin"
    path.write_bytes(records.tobytes())
    read_images, read_labels = read_cifar(path, label_bytes)
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_labels, labels)
    assert read_images.flags.c_contiguous


def test_any_bytes_of_any_length_are_read_or_refused(tmp_path: Path) -> None:
    draw, path = random.Random(0), tmp_path / "batch.bin"
    for size in [0, 1, 3072, 3073, 3074, 6146, *(draw.randrange(10_000) for _ in range(200))]:
        path.write_bytes(draw.randbytes(size))
        if size and size % 3073 == 0:
            assert len(read_cifar(path, 1)[0]) == size // 3073
        else:
            with pytest.raises(DataError, match=f"has {size} bytes, which is no positive multiple of 3073"):
                read_cifar(path, 1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"batch\.bin: cannot be read: No such file.*; download"):
        read_cifar(tmp_path / "batch.bin", 1)


def test_a_file_that_no_data_set_has_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    with path.open("wb") as file:
        file.truncate(3073 << 30)
    with pytest.raises(DataError, match="far more than a file of CIFAR"):
        read_cifar(path, 1)
