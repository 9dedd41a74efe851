"""The same train step from the same state on the same batch, thousands of times: it must come to the same bits."""

import tempfile
from functools import partial
from pathlib import Path

from soak.nets import commands
from soak.tally import Tally

from slimtrain.jobs.begin import prepare
from slimtrain.jobs.exactness import bits_after
from slimtrain.jobs.stream import training
from slimtrain.jobs.target import load
from slimtrain.train.devices import compiled_train_step
from slimtrain.train.step import start


def soak(count: int, seed: int, workers: int) -> Tally:
    """So many steps, shared out among the nets; in one process, on all of its cores."""
    del workers
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        nets = commands(Path(folder))
        for name, (config, *overrides) in nets.items():
            replay(name, config, [*overrides, f"seed={seed}"], count // len(nets), tally)
    return tally


def replay(name: str, config: str, overrides: list[str], count: int, tally: Tally) -> None:
    """Takes the first step of a net again and again."""
    parts = prepare(load(config, overrides))
    state, stream = start(parts.task, parts.document.seed), training(parts.batches)
    with stream.open(1) as batch_at:
        again = partial(bits_after, compiled_train_step(parts.task), state, batch_at(0))
        first = again()
        wrong = [number for number in range(1, count) if again() != first]
    tally.add(name, f"other bits in {len(wrong)} of {count} steps, first in number {wrong[0]}" if wrong else "", count)
