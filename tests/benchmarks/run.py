"""Times slimtrain and its peers side by side and writes RESULTS.md. By hand only; README.md beside it says how.

python tests/benchmarks/run.py                  # whole train steps of six nets, against four peers
python tests/benchmarks/run.py --real-data      # fit on real data against a fixed batch
python tests/benchmarks/run.py --startup        # --help, and the time to the first step
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import fitting, train_steps
from benchmarks.environments import REQUIREMENTS, interpreter
from benchmarks.machine import machine
from benchmarks.peers.cases import CASES
from benchmarks.tables import replaced

HEAD = "# Benchmarks\n\n`python tests/benchmarks/run.py` wrote this file; README.md beside it says what is measured."


def main(words: Sequence[str] | None = None) -> None:
    """Runs what the command line asks for."""
    given = command_line().parse_args(words)
    where = machine()
    if given.real_data:
        real = fitting.real_data(given.mnist, given.rounds, given.steps or 300)
        write(given, where, fitting.REAL_DATA, fitting.real_data_section(where, real), real)
    if given.startup:
        started = fitting.start_up(given.rounds)
        write(given, where, fitting.START_UP, fitting.start_up_section(where, started), started)
    if not (given.real_data or given.startup):
        steps(given, where)


def steps(given: argparse.Namespace, where: Mapping[str, Any]) -> None:
    """Times the nets one after the other; what is done is written after each."""
    interpreters = {p: interpreter(p, dict(given.env), given.envs, given.python) for p in given.peers}
    nets: list[dict[str, Any]] = []
    for net in given.nets:
        nets.append(asdict(train_steps.measure(net, interpreters, given.rounds, given.steps)))
        write(given, where, train_steps.TITLE, train_steps.section(where, nets), nets)


def write(given: argparse.Namespace, where: Mapping[str, Any], title: str, body: str, raw: Any) -> None:
    """Puts a section into the results, and the numbers behind it into the raw file if one is asked for."""
    text = given.out.read_text() if given.out.exists() else HEAD
    given.out.write_text(replaced(text, title, body))
    if given.json:
        known = json.loads(given.json.read_text()) if given.json.exists() else {}
        given.json.write_text(json.dumps({**known, title: {"machine": where, "found": raw}}, indent=1) + "\n")


def command_line() -> argparse.ArgumentParser:
    """The options."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=CASES, default=list(CASES), help="all by default")
    parser.add_argument("--peers", nargs="+", choices=REQUIREMENTS, default=list(REQUIREMENTS), help="all by default")
    parser.add_argument("--rounds", type=int, default=7, help="how often each contender runs; 7 by default")
    parser.add_argument("--steps", type=int, help="timed steps a run; the net's own by default")
    parser.add_argument("--out", type=Path, default=here / "RESULTS.md", help="tests/benchmarks/RESULTS.md by default")
    parser.add_argument("--json", type=Path, help="a file for the raw numbers")
    parser.add_argument("--envs", type=Path, default=Path("~/.cache/slimtrain/benchmarks").expanduser())
    parser.add_argument("--env", type=named, action="append", default=[], metavar="PEER=FOLDER", help="one that exists")
    parser.add_argument("--python", default=sys.executable, help="makes the environments; tf-slim needs a 3.11")
    parser.add_argument("--real-data", action="store_true", help="fit on real data against a fixed batch, nothing else")
    parser.add_argument("--startup", action="store_true", help="--help and the first step, nothing else")
    parser.add_argument("--mnist", type=Path, default=Path("mnist"), help="folder of MNIST's IDX files")
    return parser


def named(text: str) -> tuple[str, Path]:
    """PEER=FOLDER."""
    peer, equals, folder = text.partition("=")
    if peer not in REQUIREMENTS or not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is no PEER=FOLDER; peers are {', '.join(REQUIREMENTS)}")
    return peer, Path(folder)


if __name__ == "__main__":
    main()
