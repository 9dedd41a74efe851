"""What is kept of a step whose numbers were not finite: its batch, and where that came from."""

from pathlib import Path
from typing import Any

import numpy as np

from slimtrain.data.batches import chosen_at
from slimtrain.errors import DataError, DivergedError, Problem, WriteError
from slimtrain.jobs.feed import Feed
from slimtrain.lazy import jax
from slimtrain.store import diverged
from slimtrain.store.diverged import Kept
from slimtrain.store.rundir import RunDir
from slimtrain.train.held import taken

HINT = "slimtrain autopsy"


def stopped_at(error: DivergedError, batches: Feed) -> Kept:
    """The record of the step that a run stopped at, with the batch that the step got."""
    batch = {name: np.array(value) for name, value in jax.device_get(taken(error.batch)).items()}
    return Kept(error.step, batch, {"why": "stopped", "loss": error.loss, **_origin(batches, error.step)})


def skipped_at(step: int, batches: Feed) -> Kept | None:
    """The record of a step, from 1, that was left out; None where its batch cannot be made again.

    The batch is made anew: it is a function of seed and step alone, bit for bit.
    """
    try:
        batch = batches.train_batch(batches.split("train"), step - 1)
    except DataError:
        return None
    return Kept(step, {n: np.array(v) for n, v in batch.items()}, {"why": "skipped", **_origin(batches, step)})


def _origin(batches: Feed, step: int) -> dict[str, Any]:
    """The seed, and which examples of the training split, from 0, the batch of a step holds."""
    data, seed = batches.asked, batches.document.seed
    size = batches.split("train").size
    chosen = chosen_at(size, step - 1, batch_size=data.batch_size, seed=seed, shuffle=data.shuffle)
    return {"seed": seed, "examples": chosen.tolist()}


def keep(run: RunDir, kept: Kept) -> Path:
    """Writes a record; raises WriteError where it cannot be written."""
    return diverged.save(run, *kept)


def told(run: RunDir, kept: Kept) -> Problem:
    """Writes a record; says where, or why not."""
    try:
        path = keep(run, kept)
    except WriteError as error:
        return Problem("", f"its batch could not be kept: {error}")
    return Problem("", f"its batch is kept: {path.with_suffix('.npz')}", f"{HINT} {run.path} tells where it began")
