"""The command line in a process that kills itself at a change of a run directory: `dying.py NUMBER RUN WORDS...`.

It counts every file that is opened for writing, made, renamed, synced or removed under RUN, in whichever thread, and
dies by SIGKILL just before the change of that number; a number of 0 counts only. The last line of stderr tells the
change, or how many there were.
"""

import os
import signal
import sys
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


class Count:
    """How many changes there were, and at which one the process dies."""

    def __init__(self, at: int, run: str) -> None:
        self.number, self.at, self.run = 0, at, run

    def seen(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook."""
        place = str(arguments[0]) if arguments else ""
        inside = place.startswith(self.run) or os.sep not in place  # rmtree names what it removes in an open folder
        writes = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & WRITES)
        if inside and (event in CHANGES or writes and place.startswith(self.run)):
            self.change(f"{event.removeprefix('os.')} {os.path.basename(place)}")

    def change(self, what: str) -> None:
        """Counts a change; dies if it is the one."""
        self.number += 1
        if self.number == self.at:
            os.write(2, f"{what}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Runs the command line."""
    count = Count(int(sys.argv[1]), os.path.abspath(sys.argv[2]))
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        count.change("fsync")
        sync(descriptor)

    os.fsync = fsync
    sys.addaudithook(count.seen)
    sys.argv = ["slimtrain", *sys.argv[3:]]
    from slimtrain.cli import main as slimtrain

    try:
        slimtrain()
    finally:
        os.write(2, f"{count.number}\n".encode())


if __name__ == "__main__":
    main()
