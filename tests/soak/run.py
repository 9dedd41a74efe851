"""Soaks: what slimtrain promises, tried many times with real processes, files and kills. By hand only; see README.md.

python tests/soak/run.py kills --count 500
python tests/soak/run.py files --count 100000 --seed 7

Each writes its section of RESULTS.md, and leaves with 1 where anything failed.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import line, machine
from benchmarks.tables import replaced
from soak.tally import Tally

HERE = Path(__file__).parent
HEAD = "# Soaks\n\n`python tests/soak/run.py` wrote this file; README.md beside it says what each soak does."
TITLES: Mapping[str, str] = {
    "kills": "Kills and exact resumes",
    "replays": "The same step again",
    "signals": "Signals",
    "corruptions": "Corrupted checkpoints",
    "disks": "Disks that are full, gone or slow",
    "locks": "Two runs in one directory",
    "configs": "Hostile configs",
    "files": "Hostile data files",
    "nonfinite": "Numbers that are not finite",
}
"""The soaks by name: a module of this folder, with `soak(count, seed, workers) -> Tally`."""


def main(words: Sequence[str] | None = None) -> int:
    """Runs what the command line asks for; gives the exit code."""
    given = command_line().parse_args(words)
    soak: Callable[[int, int, int], Tally] = import_module(f"soak.{given.soak}").soak
    # What a shell's background job, or nohup, would have every process below ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    where, began = machine(), time.monotonic()
    tally = soak(given.count, given.seed, given.workers)
    took = f"{given.count} tries asked for, seed {given.seed}, {(time.monotonic() - began) / 60:.0f} minutes."
    text = given.out.read_text() if given.out.exists() else HEAD
    given.out.write_text(replaced(text, TITLES[given.soak], f"{line(where)} {took}\n\n{tally.table()}"))
    print(tally.table())
    return int(tally.failed.total() > 0)


def command_line() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("soak", choices=TITLES)
    parser.add_argument("--count", type=int, default=500, help="how many tries; 500 by default")
    parser.add_argument("--seed", type=int, default=0, help="what the tries are drawn from; 0 by default")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time; 2 by default")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md", help="tests/soak/RESULTS.md by default")
    return parser


if __name__ == "__main__":
    sys.exit(main())
