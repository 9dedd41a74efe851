import io
import os
from pathlib import Path

import pytest

from slimtrain.data.formats.files import read_up_to, reading, size_of, unpack_limit
from slimtrain.errors import DataError


@pytest.mark.parametrize(
    ("error", "what", "hint"),
    [
        (ValueError("bad\nworse"), "is damaged: bad", "fetch it again"),
        (ValueError("x" * 10_000), "is damaged: " + "x" * 200, "fetch it again"),
        (EOFError(), "is damaged: EOFError", "fetch it again"),
        (OSError(5, "broken"), "cannot be read: broken", "fetch it again"),
        (MemoryError(), "does not fit into memory", "use a smaller file"),
    ],
)
def test_any_failure_names_the_file_and_a_cure(error: Exception, what: str, hint: str) -> None:
    with pytest.raises(DataError) as caught, reading(Path("some/file"), "fetch it again"):
        raise error
    (problem,) = caught.value.problems
    assert problem.where == "some/file" and problem.hint == hint
    assert problem.what == what


def test_a_refusal_passes_unchanged() -> None:
    with pytest.raises(DataError, match="^mine$"), reading(Path("f"), "cure"):
        raise DataError("mine")


def test_only_regular_files_have_a_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in (("", "no regular file"), ("pipe", "no regular file"), ("gone", "No such file")):
        with pytest.raises(DataError, match=what):
            size_of(tmp_path / path, "cure")


def test_reading_stops_at_the_count_and_at_the_end() -> None:
    assert read_up_to(io.BytesIO(b"abcdef"), 4) == b"abcd"
    assert read_up_to(io.BytesIO(b"abcdef"), 10**15) == b"abcdef"


def test_small_files_may_unpack_a_lot_and_large_ones_in_proportion() -> None:
    assert unpack_limit(10) == 2**30
    assert unpack_limit(2**30) == 100 * 2**30
