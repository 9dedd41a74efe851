"""`slimtrain fit`: trains, evaluates, saves; stops and goes on without losing or repeating a step."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

from slimtrain.errors import StoppedError
from slimtrain.jobs.begin import Prepared, claim, fresh_state, prepare, resumed_state, start_warnings
from slimtrain.jobs.begin import Request as Request
from slimtrain.jobs.build import ABSTRACT_BATCH
from slimtrain.jobs.evaluate import runner
from slimtrain.jobs.keeper import Keeper
from slimtrain.jobs.lints import training_warnings
from slimtrain.jobs.records import write_records
from slimtrain.jobs.signals import stopping
from slimtrain.jobs.starting import need_ready
from slimtrain.jobs.talk import QUIET, Talk
from slimtrain.jobs.training import Job, train
from slimtrain.lazy import jax
from slimtrain.store.rundir import lock
from slimtrain.train.devices import compile_ahead, compiled_train_step, memory_of
from slimtrain.train.step import start


@dataclass(frozen=True)
class Fitted:
    """What a finished run tells."""

    run: str
    steps: int
    epochs: float
    metrics: dict[str, Any]
    seconds: float
    examples_per_second: float

    def record(self) -> dict[str, Any]:
        """As `--json` gives it."""
        return dict(vars(self))


def fit(request: Request, talk: Talk = QUIET) -> Fitted:
    """Trains as the config says and gives the result; every way it can end leaves the run's directory whole.

    Raises:
        ConfigError, DataError: before anything is written.
        RunInUseError: another process has the directory.
        CheckpointError: what to go on from does not fit.
        DivergedError: numbers that are not finite; the state before them is saved.
        StoppedError: a signal; the state is saved.
        WriteError: the disk is full, the directory gone.
        SlimtrainError: JAX computes something wrong on this machine.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        stop = stack.enter_context(stopping())
        parts = prepare(request.document)
        _warn(parts, talk)
        if request.resume is None:
            talk.warn(start_warnings(request, parts))
        need_ready(talk)
        begun = fresh_state(request, parts.task) if request.resume is None else None  # before anything is written
        if stop:
            raise StoppedError(stop.number, "stopped before anything was trained")
        run = claim(request)
        stack.enter_context(lock(run))
        state, message = begun or resumed_state(request, parts.task, run)
        first = int(state.step)
        keeper = stack.enter_context(Keeper.open(run, parts.document, first))
        if first < parts.total or not run.env.exists():
            write_records(run, parts.document, parts.data, parts.net, request.command)
        evaluate = runner(parts.task, parts.batches, "test") if "test" in parts.data.splits else None
        again = request.again or f"slimtrain fit {parts.document.path}"
        goal = f", to step {parts.total}" if first < parts.total else " is trained"
        talk.say(f"{message}: {run.path}{goal}")
        watch = train(Job(parts, keeper, evaluate, talk, again), state, stop)
    rate = round(watch.rate() * parts.batch_size, 1)
    seconds = time.monotonic() - began
    return Fitted(str(run.path), watch.reached, parts.epoch(watch.reached), keeper.last_metrics(), seconds, rate)


def dry(request: Request, talk: Talk) -> dict[str, Any]:
    """What `fit` would do: checked, built, compiled, nothing trained or written."""
    parts = prepare(request.document)
    _warn(parts, talk)
    began = time.monotonic()
    compiled = _compiled(parts)
    return {
        "steps": parts.total,
        "epochs": parts.epoch(parts.total),
        "batch": parts.batch_size,
        "parameters": sum(prod(spec.shape) for spec in parts.task.specs.values()),
        "flops": parts.net.declaration.flops // ABSTRACT_BATCH,
        "compile_s": round(time.monotonic() - began, 3),
        "peak_memory_bytes": memory_of(compiled),
    }


def _warn(parts: Prepared, talk: Talk) -> None:
    warnings = training_warnings(parts.document, parts.net, parts.task, parts.total)
    talk.warn([*parts.data.warnings, *warnings])


def _compiled(parts: Prepared) -> Any:
    state = jax.eval_shape(partial(start, parts.task, parts.document.seed))
    batch = parts.batches.train_batch(parts.batches.split("train"), 0)
    return compile_ahead(compiled_train_step(parts.task), state, batch)
