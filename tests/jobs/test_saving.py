"""The thread that writes: training goes on meanwhile, and no failure stays unsaid."""

import threading
import time

import pytest

from slimtrain.errors import WriteError
from slimtrain.jobs.saving import Saver


def fail() -> None:
    raise WriteError("the disk is full")


def test_work_is_done_meanwhile_one_after_the_other_and_all_of_it_at_the_end():
    go, done = threading.Event(), []
    with Saver.open() as saver:
        saver.start(lambda: done.append(go.wait(30)))
        saver.check()
        assert done == []
        go.set()
        saver.start(lambda: (time.sleep(0.05), done.append(2)))
        assert done == [True]
    assert done == [True, 2]


def test_a_failure_is_told_at_the_next_look_the_next_work_or_the_end():
    for look in (Saver.check, Saver.finish, lambda saver: saver.start(print)):
        with Saver.open() as saver:
            saver.start(fail)
            while not saver.pending.done():
                time.sleep(0.001)
            with pytest.raises(WriteError, match="full"):
                look(saver)
    with pytest.raises(WriteError, match="full"), Saver.open() as saver:
        saver.start(fail)


def test_an_error_in_the_block_stays_itself_and_the_work_is_done():
    done = []
    with pytest.raises(ZeroDivisionError), Saver.open() as saver:
        saver.start(lambda: (time.sleep(0.05), done.append(1)))
        raise ZeroDivisionError
    assert done == [1]
