"""Whole train steps, slimtrain and its peers side by side, in rounds."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import line
from benchmarks.peers.cases import CASES, Case
from benchmarks.processes import SLIMTRAIN, FailedError, Ran, run
from benchmarks.rates import best, product_rates
from benchmarks.tables import OURS, PEERS, memory_row, rotated, step_row, table, variant_rows

TITLE = "Train step"
VARIANTS = ("torch", "torch+compile", "torch+channels_last", "torch+compile+channels_last")
KEPT = 1.25  # variants of PyTorch that the trial finds slower than this times the best take no part in the rounds
AGREE = 1e-4
FOLDER = Path(__file__).parent / "peers"

Commands = Mapping[str, Callable[[str, int], list[str]]]


@dataclass
class Net:
    """What was measured of a net; by contender, a number a round."""

    title: str
    batch: int
    parameters: int
    flops: int
    times: dict[str, list[float]] = field(default_factory=dict)
    minima: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, list[float]] = field(default_factory=dict)
    trial: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    products: list[dict[str, Any]] = field(default_factory=list)
    disturbed: int = 0


def contenders(interpreters: Mapping[str, Path]) -> Commands:
    """The command of each contender, for a net and a number of steps; PyTorch has four variants."""

    def ours(net: str, steps: int) -> list[str]:
        case = CASES[net]
        return [*SLIMTRAIN, "time", case.config, *case.overrides, "--json", "--quiet", "--steps", str(steps)]

    def peer(name: str) -> Callable[[str, int], list[str]]:
        kind, *variant = name.split("+")
        words = [word for v in variant for word in ("--variant", v)]
        return lambda net, steps: [*script(interpreters[kind], kind), net, "--steps", str(steps), *words]

    names = [v for p in interpreters for v in (VARIANTS if p == "torch" else (p,))]
    return {OURS: ours, **{name: peer(name) for name in names}}


def script(interpreter: Path, peer: str) -> list[str]:
    return [str(interpreter), str(FOLDER / f"{peer.replace('-', '_')}_peer.py")]


def same_net(net: str, interpreters: Mapping[str, Path]) -> Net:
    """Checks that all peers have the net that slimtrain has: parameters, and the losses of three steps.

    Raises:
        SystemExit: they don't.
    """
    case = CASES[net]
    ours = run([*script(Path(sys.executable), OURS), net, "--check"]).answer
    found = Net(case.title, case.batch, ours["parameters"], ours["flops"])
    for peer, interpreter in interpreters.items():
        try:
            theirs = run([*script(interpreter, peer), net, "--check"]).answer
        except FailedError as error:
            found.left_out[peer] = str(error)
            continue
        need_same(net, peer, case, ours, theirs)
    return found


def need_same(net: str, peer: str, case: Case, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Raises SystemExit where parameters or losses are not those of slimtrain."""
    if not theirs["parameters"] == ours["parameters"] == case.parameters:
        told = f"{theirs['parameters']} parameters, slimtrain has {ours['parameters']}, cases.py {case.parameters}"
        raise SystemExit(f"{net} of {peer}: {told}; they must be the same net")
    pairs = list(zip(ours["losses"], theirs["losses"], strict=True))
    if not all(abs(mine - other) <= AGREE * abs(mine) for mine, other in pairs):
        raise SystemExit(f"{net} of {peer}: losses {theirs['losses']}, slimtrain's {ours['losses']}; not the same net")


def measure(net: str, interpreters: Mapping[str, Path], rounds: int, steps: int | None) -> Net:
    """Checks a net, tries the variants, then times all contenders in rounds."""
    found, count = same_net(net, interpreters), steps or CASES[net].steps
    usable = {peer: path for peer, path in interpreters.items() if peer not in found.left_out}
    commands = contenders(usable)
    _try(found, commands, net, count)
    names = [n for n in commands if n not in VARIANTS or _worth(n, found.trial)]
    for number in range(rounds):
        found.products.append(product_rates(usable))
        for name in rotated(names, number):
            if name not in found.left_out:
                _take(found, name, commands[name](net, count))
        _say(f"{net}: round {number + 1} of {rounds}, {_short(found)}")
    _only_whole(found, rounds)
    return found


def _try(found: Net, commands: Commands, net: str, steps: int) -> None:
    """One run of each of PyTorch's variants, which also fills its compiler's cache."""
    for name in VARIANTS:
        if name in commands:
            try:
                found.trial[name] = run(commands[name](net, steps)).answer["median_ms"]
            except FailedError as error:
                found.trial[name] = f"failed: {error}"


def _worth(name: str, trial: Mapping[str, Any]) -> bool:
    known = {n: ms for n, ms in trial.items() if not isinstance(ms, str)}
    return name in known and known[name] <= KEPT * min(known.values())


def _take(found: Net, name: str, command: Sequence[str]) -> None:
    """Runs a contender once and keeps its numbers; one that fails is left out from then on."""
    try:
        ran = run(command)
    except FailedError as error:
        found.left_out[name] = str(error)
        return
    median, least, peak = _numbers(name, ran)
    for numbers, value in ((found.times, median), (found.minima, least), (found.memory, peak)):
        numbers.setdefault(name, []).append(value)
    found.versions[name.partition("+")[0]] = ran.answer.get("versions", {})
    found.disturbed += ran.disturbed


def _numbers(name: str, ran: Ran) -> tuple[float, float, float]:
    if name == OURS:
        told = ran.answer["train_step_ms"]
        return told["median"], told["min"], round(ran.peak_mb)
    return ran.answer["median_ms"], ran.answer["min_ms"], ran.answer["peak_rss_mb"]


def _only_whole(found: Net, rounds: int) -> None:
    """Drops contenders that failed in a round: they have no pairs."""
    for numbers in (found.times, found.minima, found.memory):
        for name in [n for n, values in numbers.items() if len(values) != rounds]:
            del numbers[name]


def section(machine: Mapping[str, Any], nets: Sequence[Mapping[str, Any]]) -> str:
    """The section of RESULTS.md."""
    products = [taken for n in nets for taken in n["products"]]
    rate, jax = best(products), products[0]["jax"]["versions"]["jax"]
    rounds = max((len(times) for n in nets for times in n["times"].values()), default=0)
    heads = ["milliseconds", OURS, *PEERS, "slimtrain / best peer", "GFLOP/s", "of the product's"]
    parts = [line(dict(machine)), _caption(rounds, rate), table(heads, [step_row(n, rate[1]) for n in nets])]
    parts += ["Peak memory of the process, MB:", table(["", OURS, *PEERS], map(memory_row, nets))]
    if any(n["trial"] for n in nets):
        told = f"PyTorch's variants in the trial before the rounds, ms; above {KEPT} times the best were left out:"
        parts += [told, table(["", *VARIANTS], variant_rows(nets, VARIANTS))]
    parts += [_versions(nets, jax), *_notes(nets)]
    return "\n\n".join(parts)


def _caption(rounds: int, rate: tuple[str, float]) -> str:
    return (
        f"Whole train steps in float32 on one fixed batch: median (smallest to largest) of {rounds} rounds, in each of "
        "which every contender ran once, in a fresh process, in rotating order. The ratio is taken within each round, "
        "to the peer with the smallest median; below 1, slimtrain is quicker. GFLOP/s count three forward passes' "
        "operations a step, as slimtrain declares them (convolutions and dense layers, nothing else). "
        f"The product is of 2048 x 2048 float32 matrices, at its best {rate[1]:.0f} GFLOP/s in {rate[0]}. slimtrain's "
        "step also checks that all numbers are finite and computes the config's metrics; its memory includes the "
        "evaluation step, which `slimtrain time` compiles too."
    )


def _versions(nets: Sequence[Mapping[str, Any]], jax: str) -> str:
    known: dict[str, dict[str, str]] = {}
    for found in nets:
        known |= {peer: told for peer, told in found["versions"].items() if told}
    told = [f"{peer}: {', '.join(f'{n} {v}' for n, v in versions.items())}" for peer, versions in known.items()]
    return "; ".join([f"slimtrain: jax {jax}", *told]) + "."


def _notes(nets: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = [f"{n['title']}, {who} left out: {why}." for n in nets for who, why in n["left_out"].items()]
    disturbed = sum(n["disturbed"] for n in nets)
    return [*notes, f"{disturbed} runs had others beside them on the machine." if disturbed else ""]


def _short(found: Net) -> str:
    return ", ".join(f"{name} {values[-1]:.1f}" for name, values in found.times.items())


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text} (load {os.getloadavg()[0]:.1f})", flush=True)
