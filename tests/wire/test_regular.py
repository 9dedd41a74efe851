"""Opening what may be anything: nothing is waited for, and nothing without an end is read."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from slimtrain.wire.regular import opened, small


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is a pipe or a device, not a file"):
            opened(path)
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        opened(tmp_path)


def test_a_file_that_has_nothing_to_give_yet_is_empty():
    with suppress(PermissionError):  # this one looks like a file, and gives the kernel's messages as they come
        with opened(Path("/proc/kmsg")) as file:
            while file.read(1 << 20):
                pass
        assert isinstance(small(Path("/proc/kmsg"), 1 << 20), bytes)


def test_a_small_file_is_measured_before_it_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert small(path, 5) == b"12345"
    with pytest.raises(OSError, match="it has more than 4 bytes"):
        small(path, 4)
    os.truncate(path, 1 << 40)
    with pytest.raises(OSError, match="it has more than 5 bytes"):
        small(path, 5)
