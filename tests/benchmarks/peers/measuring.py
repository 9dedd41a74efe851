"""What the peers' scripts share: their command line, the batch, the weights of the check, the clock, the answer."""

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from cases import CASES, Case

WARM_UP = 3
CHECKED_BATCH = 4
CHECKED_STEPS = 3
CORES = len(os.sched_getaffinity(0))


class Asked(NamedTuple):
    """What a peer's script was asked: to time `steps` steps, or to tell the losses of the check's."""

    net: str
    case: Case
    steps: int
    check: bool
    variant: Sequence[str]

    @property
    def size(self) -> int:
        """Examples in the batch."""
        return CHECKED_BATCH if self.check else self.case.batch


def asked(*variants: str) -> Asked:
    """The command line: NET [--steps N] [--check] [--variant WORD]..."""
    parser = argparse.ArgumentParser()
    parser.add_argument("net", choices=CASES)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--variant", action="append", choices=variants, default=[])
    given = parser.parse_args()
    return Asked(given.net, CASES[given.net], given.steps, given.check, given.variant)


def batch(ask: Asked) -> tuple[np.ndarray, np.ndarray]:
    """Random images, channels last, and labels; the same in every peer."""
    random = np.random.RandomState(0)
    images = random.standard_normal((ask.size, *ask.case.shape)).astype(np.float32)
    return images, random.randint(0, ask.case.classes, ask.size).astype(np.int32)


def kernel(shape: Sequence[int]) -> np.ndarray:
    """The check's start of a kernel [height, width, in, out] or [in, out].

    It tells places and outputs apart, not inputs, so that a peer may flatten an image in any order.
    """
    *window, inputs, outputs = shape
    *places, _, output = np.indices((*window, 1, outputs))
    angle = 1.0 + output + sum((axis + 1.0) * place for axis, place in enumerate(places))
    values = (1.0 + 2.0 * np.sin(angle)) / (np.prod(window) * inputs)
    return np.broadcast_to(values, tuple(shape)).astype(np.float32)


def stepping(step: Callable[..., Any], state: Any, *given: Any) -> Callable[[], Any]:
    """A function that takes the next of JAX's steps, (state, *given) to (state, loss), each time and gives its loss."""
    held = [state]

    def one() -> Any:
        held[0], loss = step(held[0], *given)
        return loss.block_until_ready()

    return one


def milliseconds(step: Callable[[], Any], steps: int) -> list[float]:
    """How long each call takes, after a warm-up; `step` returns when its loss is there."""
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - began))
    return times


def tell(ask: Asked, parameters: int, step: Callable[[], Any], packages: Sequence[str]) -> None:
    """Runs the steps and prints one JSON line; `step` takes one and gives its cross-entropy."""
    if ask.check:
        found: dict[str, Any] = {"losses": [float(step()) for _ in range(CHECKED_STEPS)]}
    else:
        times = milliseconds(step, ask.steps)
        found = {"median_ms": round(statistics.median(times), 3), "min_ms": round(min(times), 3)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    versions = {name: version(name) for name in packages}
    print(json.dumps({**found, "parameters": parameters, "peak_rss_mb": round(peak), "versions": versions}))
