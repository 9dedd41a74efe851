"""Ctrl-C, SIGTERM and SIGHUP: the first asks the run to save and stop, the second leaves at once."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from slimtrain.errors import Interrupted

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Whether a signal has asked to stop, and which.

    While `at_once` is set there is nothing to save yet, and the first signal raises Interrupted where it arrives.
    """

    number: int = 0
    at_once: bool = True

    def __bool__(self) -> bool:
        return self.number > 0

    @property
    def name(self) -> str:
        """The signal's name."""
        return signal.Signals(self.number).name


@contextmanager
def stopping(grace: float | None = None, stay: bool = False) -> Iterator[Stop]:
    """Handlers that note the first signal in the Stop yielded, and leave with 128 + its number at the second.

    A signal that the process was started to ignore, as by nohup, stays ignored.

    Args:
        grace: seconds after the first signal when the process leaves, whether or not it has saved; None for never.
        stay: leave the handlers in place at the end, where the process ends with the block.
    """
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if stop:
            os._exit(128 + stop.number)
        stop.number = number
        if stop.at_once:
            raise Interrupted(number)
        if grace is not None:
            _leave_after(grace, stop)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    heeded = [number for number in STOPPING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heeded}
    try:
        yield stop
    finally:
        for number, handler in before.items() if not stay else ():
            signal.signal(number, handler)


def _leave_after(grace: float, stop: Stop) -> None:
    def leave() -> None:
        told = f"stopped by {stop.name}: not saved within {grace:g} s; the checkpoints from before are whole"
        print(told, file=sys.stderr, flush=True)
        os._exit(128 + stop.number)

    timer = threading.Timer(grace, leave)
    timer.daemon = True
    timer.start()
