"""Two signals: the first is noted, the second leaves; before there is anything to save, the first leaves too."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from slimtrain.errors import Interrupted
from slimtrain.jobs.signals import STOPPING, stopping

STUCK = """
import time
from slimtrain.jobs.signals import stopping
with stopping({grace}) as stop:
    stop.at_once = False
    print("ready", flush=True)
    while not stop:
        time.sleep(0.01)
    print("noted", stop.number, flush=True)
    time.sleep(60)
"""

COMPILING = """
import time
from concurrent.futures import ThreadPoolExecutor
from slimtrain.jobs import compiling
from slimtrain.jobs.signals import stopping
from slimtrain.jobs.talk import QUIET
with stopping() as stop:
    stop.at_once = False
    ready = compiling.Compiling([ThreadPoolExecutor(1).submit(time.sleep, 60)])
    print("ready", flush=True)
    print(ready.finish(QUIET, lambda: stop), flush=True)
    ready.finish(QUIET)
"""


def started(program: str) -> "subprocess.Popen[str]":
    """A process that has come to its signals."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", program], **pipes)
    assert process.stdout.readline() == "ready\n"
    return process


def test_compiling_is_not_waited_for_after_a_signal_and_a_second_leaves_at_once():
    with started(COMPILING) as process:
        process.send_signal(15)
        assert process.stdout.readline() == "None\n"
        process.send_signal(15)
        assert process.wait(timeout=5) == 143


@pytest.mark.parametrize("first, second", [(2, 2), (15, 15), (2, 15), (1, 2)])
def test_the_second_signal_leaves_at_once_with_the_first_ones_code(first, second):
    with started(STUCK.format(grace="None")) as process:
        process.send_signal(first)
        assert process.stdout.readline() == f"noted {first}\n"
        process.send_signal(second)
        assert process.wait(timeout=5) == 128 + first


def test_the_process_leaves_when_its_grace_is_over():
    with started(STUCK.format(grace=0.3)) as process:
        process.send_signal(15)
        began = time.monotonic()
        assert process.wait(timeout=10) == 143 and time.monotonic() - began >= 0.25
        told = "stopped by SIGTERM: not saved within 0.3 s; the checkpoints from before are whole\n"
        assert process.stderr.read() == told


def test_the_first_signal_is_noted_and_the_handlers_come_back():
    before = [signal.getsignal(number) for number in STOPPING]
    with stopping() as stop:
        stop.at_once = False
        assert not stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop and stop.number == signal.SIGTERM and stop.name == "SIGTERM"
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_while_there_is_nothing_to_save_the_first_signal_is_raised_where_it_arrives():
    with pytest.raises(Interrupted) as told, stopping():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert told.value.signal_number == signal.SIGTERM


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_trains_without_handlers():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with stopping() as stop:
            seen.append((bool(stop), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
