"""Work without an end is stopped, and signals are as they were."""

import re
import signal
import threading

import pytest

from slimtrain.config.patience import TooLong, at_most


def test_work_is_stopped_after_its_time():
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(TooLong), at_most(0.1):
        re.search("(a+)+$", "a" * 60 + "b")
    assert signal.getsignal(signal.SIGVTALRM) == before and signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_what_ends_in_time_is_left_alone():
    with at_most(5):
        assert re.search("b", "ab")
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_another_thread_does_its_work_without():
    done = []

    def work():
        with at_most(0.1):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done
