"""The binary version of CIFAR-10 and CIFAR-100: records of label bytes and 3x32x32 pixel bytes, no header."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slimtrain.data.formats.files import reading, refusal, size_of
from slimtrain.wire.regular import opened

PIXELS = 3 * 32 * 32
MOST_BYTES = 2**30
CURE = "download the binary version again, or check that it is the file that its name says"


def read_cifar(path: Path, label_bytes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Reads one file of the binary version.

    Args:
        path: the file.
        label_bytes: labels before each image: 1 in CIFAR-10, 2 (coarse, fine) in CIFAR-100.

    Returns:
        Images [N, 32, 32, 3] and labels [N, label_bytes], N at least 1.

    Raises:
        DataError: the file is missing, or its size is no multiple of a record.
    """
    record = label_bytes + PIXELS
    size = size_of(path, CURE)
    if size > MOST_BYTES:
        raise refusal(path, f"has {size} bytes, far more than a file of CIFAR", CURE)
    if size == 0 or size % record:
        raise refusal(path, f"has {size} bytes, which is no positive multiple of {record}, a record", CURE)
    with reading(path, CURE), opened(path) as file:
        records = np.fromfile(file, np.uint8, count=size).reshape(-1, record)
    planes = records[:, label_bytes:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, :label_bytes].copy()
