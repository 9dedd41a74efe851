"""`slimtrain autopsy`: takes a step again whose numbers were not finite, and tells where that began."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from slimtrain.config.document import Document
from slimtrain.errors import CheckpointError, DataError, Problem
from slimtrain.jobs.autopsy_search import Finding, Place, found_backward, found_forward, found_in_update
from slimtrain.jobs.begin import prepare
from slimtrain.jobs.build import Network, fields_read, make_task, need_training, network
from slimtrain.jobs.cures import cure
from slimtrain.jobs.leaving import good
from slimtrain.jobs.restore import load_state
from slimtrain.jobs.stream import training
from slimtrain.jobs.talk import QUIET, Talk
from slimtrain.lazy import jax, jnp
from slimtrain.store import checkpoint, diverged
from slimtrain.store.diverged import Kept
from slimtrain.store.rundir import RunDir, open_run, read_records
from slimtrain.train.devices import compiled_train_step
from slimtrain.train.replay import parts, update
from slimtrain.train.skips import updates_of
from slimtrain.train.step import State, Task


@dataclass(frozen=True)
class Autopsy:
    """What came of it. `state_step` is after how many steps the state was saved that the step was taken from.

    `reproduced` says whether the step, compiled as in training, has numbers that are not finite again; `same_loss`
    whether its loss is the one that was noted, None where none was. `finding` is None where all is finite.
    """

    run: str
    step: int
    why: str
    checkpoint: str
    state_step: int
    reproduced: bool
    same_loss: bool | None
    loss: float
    finding: Finding | None
    batch: Mapping[str, Mapping[str, Any]]
    largest_weight: Mapping[str, Any]
    learning_rate: float
    gradient_norm: float
    cure: str

    def record(self) -> dict[str, Any]:
        """As `--json` gives it."""
        return {**vars(self), "finding": self.finding and vars(self.finding)}


def autopsy(document: Document, run_path: Path, step: int | None = None, talk: Talk = QUIET) -> Autopsy:
    """Takes the step again from the state before it and the batch that was kept.

    Args:
        document: the run's config.
        run_path: the run.
        step: the number of the step, from 1; the last one that was kept where omitted.
        talk: where it is said that steps before are taken again.

    Raises:
        CheckpointError: no batch was kept of the step, or no state; one is damaged or of another config.
        ConfigError: the config cannot be trained.
    """
    run = open_run(run_path)
    kept = diverged.load(run, step)
    need_training(document)
    net = _network(document, kept)
    task = make_task(document, net)
    _need_fields(run, kept, document, task)
    path = _state_before(run, kept.step)
    state = _walked(document, task, load_state(task, path)[0], kept.step - 1, talk)
    state_step = int(state.step)
    state = good(state)._replace(step=jnp.int32(kept.step - 1))
    loss, reproduced = _again(task, state, kept)
    place = Place(net.declaration, task, _lines(run, document), kept.facts.get("examples"))
    finding, norm = _first(task, state, kept, place)
    batch = {name: _field(values, place) for name, values in kept.batch.items()}
    largest = _largest(state)
    rate = float(task.learning_rate(updates_of(state.step, state.skips)))
    return Autopsy(
        str(run_path),
        kept.step,
        str(kept.facts.get("why", "")),
        str(path),
        state_step,
        reproduced,
        _same(kept.facts.get("loss"), loss),
        loss,
        finding,
        batch,
        largest,
        rate,
        norm,
        cure(document, finding, batch, largest, rate, norm),
    )


def _network(document: Document, kept: Kept) -> Network:
    """The network for images of the kept batch's shape, which needs no data."""
    if document.plan.input_shape is None and "image" in kept.batch:
        shape = tuple(kept.batch["image"].shape[1:])
        document = replace(document, plan=replace(document.plan, input_shape=shape))
    return network(document)


def _need_fields(run: RunDir, kept: Kept, document: Document, task: Task) -> None:
    """Raises CheckpointError where the batch has not what the network and its losses read."""
    if missing := sorted(fields_read(document, task.objective) - kept.batch.keys()):
        told = f"the batch has no field {missing}"
        hint = "the config reads other data than the run did"
        raise CheckpointError(Problem(str(diverged.path_of(run, kept.step)), told, hint))


def _state_before(run: RunDir, step: int) -> Path:
    """The checkpoint before a step: of the step before, else the newest before that, else the oldest after."""
    steps = checkpoint.steps_of(run)
    if not steps:
        raise CheckpointError(Problem(str(run.path), "has no checkpoint to take the step from"))
    before = [number for number in steps if number < step]
    return steps[max(before) if before else min(steps)]


def _walked(document: Document, task: Task, state: State, step: int, talk: Talk) -> State:
    """The state after so many steps, taken on the run's own data; as it is where it is later, or the data is gone."""
    first = int(state.step)
    if first >= step:
        return state
    try:
        stream = training(prepare(document).batches)
    except DataError as error:
        talk.say(f"the steps from {first} to {step} cannot be taken again: {error}")
        return state
    talk.say(f"there is no checkpoint of step {step}; taking the steps from {first} again")
    train = compiled_train_step(task)
    with stream.open(step) as batch_at:
        for number in range(first, step):
            state, _ = train(state, batch_at(number))
    return state


def _again(task: Task, state: State, kept: Kept) -> tuple[float, bool]:
    """(the loss, whether anything is not finite) of the step as training takes it."""
    copy = jax.tree.map(jnp.copy, state)
    new, metrics = compiled_train_step(task)(copy, dict(kept.batch))
    skipped = new.skips is not None and state.skips is not None and int(new.skips.total) > int(state.skips.total)
    return float(metrics["loss"]), skipped or not bool(metrics["finite"])


def _same(noted: Any, loss: float) -> bool | None:
    return None if noted is None else repr(float(noted)) == repr(loss)


def _first(task: Task, state: State, kept: Kept, place: Place) -> tuple[Finding | None, float]:
    """(the first number that is not finite, the norm of the gradients of the part of the batch that it is found in)."""
    size = next(iter(kept.batch.values())).shape[0] // task.train.accumulate
    for index, part in enumerate(parts(task, state, kept.batch)):
        own = replace(place, offset=index * size, size=size)
        if finding := found_forward(part, own) or found_backward(part, own):
            return finding, float(part.gradient_norm)
    after = update(task, state, kept.batch)
    return found_in_update(after, place), float(after.gradient_norm)


def _lines(run: RunDir, document: Document) -> dict[str, str]:
    """The config line of each layer by path: as the user wrote it, where the run tells."""
    here = {layer.path: layer.mark.short for layer in document.plan.layers()}
    written = [one for one in read_records(run.plan) if {"name", "line"} <= one.keys()]
    return here | {str(one["name"]): str(one["line"]) for one in written}


def _field(values: np.ndarray, place: Place) -> dict[str, Any]:
    """Whether a field of the batch is finite, its range, and which examples are not finite."""
    if values.dtype.kind not in "fiub":
        return {"finite": True, "min": None, "max": None, "examples": []}
    wide = np.asarray(values, np.float64)
    good = np.isfinite(wide)
    rows = np.asarray(~good.reshape(len(wide), -1).all(1))
    fine = wide[good]
    low, high = (float(fine.min()), float(fine.max())) if fine.size else (None, None)
    return {"finite": bool(good.all()), "min": low, "max": high, "examples": place.examples(rows)}


def _largest(state: State) -> dict[str, Any]:
    sizes = {n: float(np.max(np.abs(np.asarray(v, np.float64)), initial=0)) for n, v in state.parameters.items()}
    name = max(sizes, key=lambda one: sizes[one], default="")
    return {"name": name, "value": sizes.get(name, 0.0)}
