"""The command line in a process whose disk is slow or fails: `failing.py NUMBER ERRNO SECONDS WORDS...`.

Every sync takes SECONDS more; the sync of that NUMBER fails with ERRNO, none where it is 0.
"""

import os
import sys
import time


def main() -> None:
    """Runs the command line."""
    number, errno, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    sync, count = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal count
        count += 1
        time.sleep(seconds)
        if count == number:
            raise OSError(errno, os.strerror(errno))
        sync(descriptor)

    os.fsync = fsync
    sys.argv = ["slimtrain", *sys.argv[4:]]
    from slimtrain.cli import main as slimtrain

    slimtrain()


if __name__ == "__main__":
    main()
