"""Ctrl-C and SIGTERM: the first asks the loop to stop after its step, the second leaves at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether a signal has asked to stop, and which."""

    number: int = 0

    def __bool__(self) -> bool:
        return self.number > 0


@contextmanager
def stopping() -> Iterator[Stop]:
    """Handlers that note the first signal in the Stop yielded, and leave with 128 + its number at the second."""
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if stop:
            os._exit(128 + stop.number)
        stop.number = number

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, note) for number in STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
