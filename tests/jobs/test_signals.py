"""Two signals: the first is noted, the second leaves."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from slimtrain.jobs.signals import STOPPING, stopping

STUCK = """
import time
from slimtrain.jobs.signals import stopping
with stopping() as stop:
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
    ready = compiling.Compiling([ThreadPoolExecutor(1).submit(time.sleep, 60)])
    print("ready", flush=True)
    ready.finish(QUIET)
"""


def test_a_second_signal_leaves_at_once_while_steps_are_being_compiled():
    with subprocess.Popen([sys.executable, "-c", COMPILING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(15)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(15)
        assert process.wait(timeout=5) == 143


@pytest.mark.parametrize("first, second", [(2, 2), (15, 15), (2, 15)])
def test_the_second_signal_leaves_at_once_with_the_first_ones_code(first, second):
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(first)
        assert process.stdout.readline() == f"noted {first}\n"
        process.send_signal(second)
        assert process.wait(timeout=5) == 128 + first


def test_the_first_signal_is_noted_and_the_handlers_come_back():
    before = [signal.getsignal(number) for number in STOPPING]
    with stopping() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop and stop.number == signal.SIGTERM
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_a_thread_trains_without_handlers():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with stopping() as stop:
            seen.append((bool(stop), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
