import subprocess
import sys
import threading
import time

import pytest

from slimtrain.data.ahead import AHEAD, ahead, cores, workers
from slimtrain.errors import DataError


def test_numbers_come_in_order_and_a_few_ahead() -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return 10 * number

    with ahead(make, 9) as at:
        assert at(3) == 30
        deadline = time.monotonic() + 10
        while len(made) < 1 + AHEAD and time.monotonic() < deadline:
            time.sleep(0.001)
        assert made == [3, 4, 5]
        assert [at(number) for number in range(4, 9)] == [40, 50, 60, 70, 80]
    assert made == [3, 4, 5, 6, 7, 8]


def test_any_number_may_be_asked_for() -> None:
    with ahead(str, 100) as at:
        assert [at(n) for n in (5, 50, 6, 6, 99)] == ["5", "50", "6", "6", "99"]


def test_an_error_comes_out_where_its_number_is_asked_for() -> None:
    def make(number: int) -> int:
        if number == 2:
            raise DataError("bad")
        return number

    with ahead(make, 9) as at:
        assert (at(0), at(1)) == (0, 1)
        with pytest.raises(DataError, match="bad"):
            at(2)
        assert at(3) == 3


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="stop"), workers(3) as each, ahead(lambda n: each(str, 7), 9) as at:
        assert at(0) == list("0123456")
        raise ValueError("stop")
    assert threading.active_count() == before


def test_calls_for_examples_keep_their_places_and_raise_their_errors() -> None:
    def reciprocal(number: int) -> float:
        return 1 / (number - 3)

    with workers(2) as each:
        assert each(abs, 0) == [] and each(abs, 5) == [0, 1, 2, 3, 4]
        with pytest.raises(ZeroDivisionError):
            each(reciprocal, 5)
    assert cores() >= 1


def test_a_process_ends_though_batches_are_being_made() -> None:
    code = (
        "import time\nfrom slimtrain.data.ahead import ahead\n"
        "with ahead(lambda n: time.sleep(0.01), 10**9) as at:\n    at(0)\n    raise SystemExit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 7
