"""`slimtrain fit` as the benchmarks run it: real data against one batch, and the time to the first step."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from benchmarks.machine import line
from benchmarks.peers.cases import CASES
from benchmarks.processes import ROOT, SLIMTRAIN, FailedError, environment, run, wait_for_quiet
from benchmarks.tables import milliseconds, paired, spread, table

REAL_DATA = "Real data"
START_UP = "Start-up"
CACHE = "JAX_COMPILATION_CACHE_DIR"
"""The environment variable that gives `fit` a compilation cache of its own."""

ONLY_STEPS = ("train.eval_every=0", "train.checkpoint_every=0")
EXAMPLES = 50_000
POLL = 0.005


@contextmanager
def workplace(images: int) -> Iterator[Path]:
    """A folder with a synthetic CIFAR-10 in `cifar.npz`, random bytes."""
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (images, 32, 32, 3), np.uint8)
        np.savez(Path(folder) / "cifar.npz", image=pixels, label=random.integers(0, 10, images))
        yield Path(folder)


def cifar(folder: Path) -> list[str]:
    """The overrides that make a config of CIFAR-10 read the synthetic one."""
    return ["data.source=arrays", "~data.path", f"+data.train={folder / 'cifar.npz'}"]


def real_data(mnist: Path, rounds: int, steps: int) -> list[dict[str, Any]]:
    """Steps of `fit` and of `slimtrain time`, one after the other in each round, and the order turned in the next."""
    with workplace(EXAMPLES) as folder:
        sources = {"lenet": ("MNIST", [f"data.path={mnist}"]), "resnet20": ("synthetic CIFAR-10", cifar(folder))}
        return [_compared(net, *source, folder, rounds, steps) for net, source in sources.items()]


def _compared(net: str, data: str, words: list[str], folder: Path, rounds: int, steps: int) -> dict[str, Any]:
    case, found = CASES[net], {"real": list[float](), "fixed": list[float]()}
    given = [*case.overrides, *words, *ONLY_STEPS, f"train.steps={steps}", "train.log_every=1"]
    given += ["~train.epochs"] if net == "lenet" else []
    fixed = [*SLIMTRAIN, "time", case.config, *case.overrides, "--steps", str(steps), "--json", "--quiet"]
    for number in range(rounds):
        place = folder / f"{net}-{number}"
        fit = [*SLIMTRAIN, "fit", case.config, *given, "--run-dir", str(place), "--json", "--quiet"]
        for name in ("real", "fixed") if number % 2 else ("fixed", "real"):
            told = run(fit if name == "real" else fixed).answer
            found[name].append(told["train_step_ms"]["median"] if name == "fixed" else fit_step(place, case.batch))
        times = " and ".join(f"{found[name][-1]:.1f}" for name in found)
        print(f"{net} on {data}: round {number + 1} of {rounds}: {times} ms", flush=True)
    return {"title": case.title, "data": data, "steps": steps, **found}


def fit_step(run_dir: Path, batch: int) -> float:
    """The median of the steps' times that a run's lines tell, ms."""
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    rates = [line["examples_per_second"] for line in map(json.loads, lines) if "examples_per_second" in line]
    return median(1e3 * batch / rate for rate in rates)


def real_data_section(machine: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> str:
    """The section of RESULTS.md."""
    rounds, steps = len(found[0]["real"]), found[0]["steps"]
    told = (
        f"A step of `slimtrain fit`, the median of {steps}, each with a line of metrics and the config's preprocessing "
        "and augmentation, against the fixed-batch step of `slimtrain time`, the median of as many, ms: median "
        f"(smallest to largest) of {rounds} rounds, in each of which both ran in processes of their own, in turning "
        "order; the ratio is taken within each round."
    )
    heads = ["", "data", "fit", "time", "fit / time"]
    return "\n\n".join([line(dict(machine)), told, table(heads, map(_real_row, found))])


def _real_row(found: Mapping[str, Any]) -> list[str]:
    ratios = paired(found["real"], found["fixed"])
    times = [milliseconds(found[name]) for name in ("real", "fixed")]
    return [found["title"], found["data"], *times, spread(ratios, 3)]


def start_up(rounds: int) -> dict[str, list[float]]:
    """Milliseconds to `--help` and to the first step, cold and warm, one after the other in each round."""
    found: dict[str, list[float]] = {}
    with workplace(1280) as folder:
        for number in range(rounds):
            for name, value in _started(folder / str(number), cifar(folder)):
                found.setdefault(name, []).append(value)
            print(f"round {number + 1} of {rounds}: { ({n: round(v[-1]) for n, v in found.items()}) }", flush=True)
    return found


def _started(folder: Path, words: list[str]) -> Iterator[tuple[str, float]]:
    yield 'python -c "import click"', passed([SLIMTRAIN[0], "-c", "import click"])
    yield "slimtrain --help", passed([*SLIMTRAIN, "--help"])
    given = [*words, *ONLY_STEPS, "train.steps=1", "train.log_every=1"]
    fit = [*SLIMTRAIN, "fit", CASES["resnet20"].config, *given]
    for word in ("cold", "warm"):
        yield f"fit to the first step of ResNet-20, {word} cache", first_step(fit, folder / word, folder / "cache")


def passed(command: Sequence[str]) -> float:
    """Milliseconds that a command takes."""
    wait_for_quiet()
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment(command, None), stdout=subprocess.DEVNULL, check=True)
    return 1e3 * (time.perf_counter() - began)


def first_step(fit: Sequence[str], run_dir: Path, cache: Path) -> float:
    """Milliseconds from the start of the process to the first line of its metrics."""
    wait_for_quiet()
    command = [*fit, "--run-dir", str(run_dir), "--quiet"]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(command, {CACHE: str(cache)}), stdout=subprocess.DEVNULL
    )
    lines = run_dir / "metrics.jsonl"
    while not (lines.exists() and lines.stat().st_size) and process.poll() is None:
        time.sleep(POLL)
    took = 1e3 * (time.perf_counter() - began)
    if process.wait():
        raise FailedError(f"exit code {process.returncode}: {' '.join(command)}")
    return took


def start_up_section(machine: Mapping[str, Any], found: Mapping[str, Sequence[float]]) -> str:
    """The section of RESULTS.md."""
    rounds = len(next(iter(found.values())))
    told = (
        f"Milliseconds from the start of the process: median (smallest to largest) of {rounds} rounds. The first step "
        "is there when its line of metrics is; cold and warm are the first and second start with a fresh cache "
        f"directory in `{CACHE}`."
    )
    names = list(found)
    rows = [[name, spread(found[name], 0)] for name in names]
    ratios = [spread(paired(found[b], found[a]), 2) for a, b in (names[:2], names[2:][::-1])]
    told_ratios = f"`--help` over `import click`: {ratios[0]}; cold over warm: {ratios[1]}; each within a round."
    return "\n\n".join([line(dict(machine)), told, table(["", "ms"], rows), told_ratios])
