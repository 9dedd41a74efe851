"""`slimtrain fit`: trains, evaluates, saves; stops and goes on without losing or repeating a step."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import Any

from slimtrain.jobs.begin import Prepared, claim, first_weights, prepare, resumed_state, start_warnings
from slimtrain.jobs.begin import Request as Request
from slimtrain.jobs.build import ABSTRACT_BATCH
from slimtrain.jobs.compiling import Steps, compiling
from slimtrain.jobs.evaluate import runner
from slimtrain.jobs.exactness import need_repeatable
from slimtrain.jobs.keeper import Keeper
from slimtrain.jobs.leaving import leave
from slimtrain.jobs.lints import training_warnings
from slimtrain.jobs.records import write_records
from slimtrain.jobs.signals import stopping
from slimtrain.jobs.starting import need_ready
from slimtrain.jobs.stream import Stream, evaluation, training
from slimtrain.jobs.talk import QUIET, Talk
from slimtrain.jobs.training import Job, train
from slimtrain.store.rundir import lock, need_new
from slimtrain.train.devices import compile_ahead, compiled_train_step, memory_of
from slimtrain.train.step import State, blank, start


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
        Interrupted: a signal, before there was a state to save.
        WriteError: the disk is full, the directory gone.
        SlimtrainError: JAX computes something wrong on this machine.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        stop = stack.enter_context(stopping(request.grace, stay=request.own_process))
        parts = prepare(request.document)
        _warn(parts, talk)
        if request.resume is None:
            talk.warn(start_warnings(request, parts))
        need_ready(talk)
        weights = first_weights(request, parts.task) if request.resume is None else None  # before anything is written
        run = stack.enter_context(lock(claim(request)))
        if weights is not None:
            need_new(run)  # another process may have begun and ended one since
        state, message = resumed_state(request, parts.task, run, talk) if weights is None else (None, "")
        first = int(state.step) if state is not None else 0
        keeper = stack.enter_context(Keeper.open(run, parts.document, first))
        if first < parts.total or not run.env.exists():
            write_records(run, parts.document, parts.data, parts.net, request.command)
        feeding, judging = _streams(parts)
        ready = compiling(parts.task, feeding, judging, ahead=first < parts.total)
        if state is None:
            given, told = weights or first_weights(request, parts.task)
            state, message = start(parts.task, request.document.seed, given), f"{message}{told}"
        stop.at_once = False
        again = request.again or f"slimtrain fit {parts.document.path}"
        if first < parts.total:
            keeper.rehearse(state, talk)
        calls = ready.finish(talk, lambda: stop)
        if calls is None:
            leave(keeper, state, stop, again)
        keeper.finish()
        if request.deterministic and first < parts.total:
            _try_twice(feeding, calls, state, first)
        evaluate = runner(parts.task, judging, calls.evaluate) if judging is not None else None
        goal = f", to step {parts.total}" if first < parts.total else " is trained"
        talk.say(f"{message}: {run.path}{goal}")
        watch = train(Job(parts, calls, feeding, keeper, evaluate, talk, again), state, stop)
    rate = round(watch.rate() * parts.batch_size, 1)
    seconds = time.monotonic() - began
    return Fitted(str(run.path), watch.reached, parts.epoch(watch.reached), keeper.last_metrics(), seconds, rate)


def _try_twice(feeding: Stream, calls: Steps, state: State, first: int) -> None:
    with feeding.open(first + 1) as batch_at:
        need_repeatable(calls.train, state, batch_at(first))


def _streams(parts: Prepared) -> tuple[Stream, Stream | None]:
    """Where the batches of training come from, and of evaluations if there is a test split."""
    judging = evaluation(parts.batches, "test") if "test" in parts.data.splits else None
    return training(parts.batches), judging


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
    return compile_ahead(compiled_train_step(parts.task), blank(parts.task), training(parts.batches).like)
