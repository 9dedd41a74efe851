"""Tries in processes that are confined: memory bounded, hangs stopped, deaths counted and the process started again.

A soak's module has `cases(seed) -> Draw`: what the tries need once, and a function that draws one: from a source of
randomness and an empty folder it gives what is tried, in words, and the try itself. A try is good where it ends, or
where it is refused with slimtrain's errors: one line each, of a length to read, with an exit code of the contract.

python tests/soak/confined.py files 7 1234      # try number 1234 of seed 7 again, with the traceback
"""

import ctypes
import gc
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parents[1]))

from soak.tally import Tally, together

from slimtrain.errors import SlimtrainError

Try = tuple[str, Callable[[], object]]
Draw = Callable[[random.Random, Path], Try]

SECONDS = 12
"""Of computing, after which a try hangs. Most take milliseconds; a text of a megabyte takes two seconds to read."""
WAITING = 60
"""Seconds by the clock after which it waits for something; other work may share the machine."""
GRACE = 20
GROWTH = 4 << 30
"""Bytes of addresses that a try may ask for."""
RESIDENT = 3 << 29
"""Bytes that a try may touch: a packed file may unpack to one GiB."""
LONGEST = 4000
CODES = {1, 2, 4, 5, 74}
MEMORY = ("does not fit into memory", "Unable to allocate", "emory")


class Hang(BaseException):
    """A try that takes too long; no `except Exception` stops it."""


def confined(module: str, count: int, seed: int, workers: int) -> Tally:
    """So many tries of a soak, shared out among processes."""
    parts = [range(first, count, workers) for first in range(workers)]
    return Tally().take(together([lambda part=part: _watched(module, seed, part) for part in parts], workers))


def _watched(module: str, seed: int, numbers: range) -> Tally:
    """The tries of these numbers in one process at a time; the next one goes on after a try that killed it."""
    tally, left = Tally(), numbers
    while len(left):
        done, what, died = _one_process(module, seed, left, tally)
        left = left[done:]
        if died:
            tally.add(what, f"{died}; number {left[0]} of seed {seed}" if len(left) else died)
            left = left[1:]
    return tally


def _one_process(module: str, seed: int, numbers: range, tally: Tally) -> tuple[int, str, str]:
    """(tries done, what was tried last, how the process died before the end: '' for not at all)."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, module, seed, numbers), daemon=True)
    process.start()
    there.close()
    done, what = 0, "start of the process"
    try:
        while here.poll(6 * GRACE if not done else WAITING + GRACE):
            word, *told = here.recv()
            if word == "begins":
                (what,) = told
            elif word == "ended":
                tally.add(*told)
                done += 1
            else:
                process.join(GRACE)
                return done, what, ""
        return done, what, f"nothing stopped its hang of {WAITING + GRACE} seconds"
    except (EOFError, ConnectionResetError):
        process.join(GRACE)
        return done, what, f"the process died with {process.exitcode}"
    finally:
        process.kill()
        process.join()
        here.close()


def _work(there: Any, module: str, seed: int, numbers: range) -> None:
    """Takes the tries of these numbers, and says of each what it is before it begins."""
    with tempfile.TemporaryDirectory() as folder, os_quiet():
        # Not in each import: the draw's module may make jax ready first.
        draw = import_module(f"soak.{module}").cases(seed, Path(folder) / "kept")
        heed()
        confine()
        for number in numbers:
            there.send(
                ("ended", *attempt(draw, seed, number, Path(folder) / "try", lambda w: there.send(("begins", w))))
            )
        there.send(("done",))


def attempt(
    draw: Draw, seed: int, number: int, folder: Path, begins: Callable[[str], None], raising: bool = False
) -> tuple[str, str]:
    """(what was tried, what was wrong with its end: '' for nothing)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    what, run = draw(random.Random(f"{seed}:{number}"), folder)
    begins(what)
    wrong = ""
    _forget_peak()
    before, began = _peak(), time.process_time()
    signal.setitimer(signal.ITIMER_REAL, WAITING)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        run()
    except SlimtrainError as error:
        wrong = badly_told(error)
    except BaseException as error:
        if raising:
            raise
        wrong = f"{type(error).__name__}: {str(error)[:200]} {_place(error)}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    if (grown := _peak() - before) > RESIDENT:
        wrong = wrong or f"took {grown >> 20} MiB"
    if (took := time.process_time() - began) > SECONDS / 2:
        wrong = wrong or f"took {took:.0f} s"
    if wrong:
        wrong += f"; number {number} of seed {seed}"
        gc.collect()
    return what, wrong


def badly_told(error: SlimtrainError) -> str:
    """What is wrong with how slimtrain refused; '' for nothing."""
    told = [str(problem) for problem in error.problems]
    if not told or not all(told):
        return f"no message in {error!r}"
    if error.exit_code not in CODES:
        return f"exit code {error.exit_code}"
    if any(not line.isprintable() for line in told):
        return f"more than one line, or control characters: {next(t for t in told if not t.isprintable())[:200]!r}"
    if (longest := max(map(len, told))) > LONGEST:
        return f"a message of {longest} characters: {max(told, key=len)[:200]}"
    if any(word in line for line in told for word in MEMORY):
        return f"asked for memory first: {told[0][:300]}"
    return ""


def _place(error: BaseException) -> str:
    """The innermost line of slimtrain in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f"{os.sep}slimtrain{os.sep}" in f.filename] or frames
    return f"({Path(ours[-1].filename).name}:{ours[-1].lineno} {ours[-1].name})"


def heed() -> None:
    """Has the timers of a try end it."""
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, _hangs)


def _hangs(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise Hang(f"after {SECONDS} s of computing" if number == signal.SIGPROF else f"after {WAITING} s")


def confine() -> None:
    """Bounds what the process can ask for, and leaves no core behind."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-8, 2)  # few arenas: each takes 64 MiB of addresses
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + GROWTH,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most bytes in memory since the peak was forgotten."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) << 10
    return 0


@contextmanager
def os_quiet() -> Iterator[None]:
    """Python's warnings and chatter of libraries go nowhere: tries are counted, not read."""
    import warnings

    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        kept, sys.stderr = sys.stderr, nowhere
        try:
            yield
        finally:
            sys.stderr = kept


if __name__ == "__main__":
    name, again, one = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as place:
        found = import_module(f"soak.{name}").cases(again, Path(place) / "kept")
        heed()
        print(attempt(found, again, one, Path(place) / "try", print, raising=True))
