"""`slimtrain fit`: trains, evaluates, saves; stops and goes on without losing or repeating a step."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import Any

from slimtrain.jobs.begin import Prepared, claim, first_weights, need_place, prepare, resumed_state, start_warnings
from slimtrain.jobs.begin import Request as Request
from slimtrain.jobs.build import ABSTRACT_BATCH
from slimtrain.jobs.compiling import Compiling, Steps, compiling, in_thread
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
from slimtrain.memory import give_back
from slimtrain.store.rundir import lock, need_new
from slimtrain.train.devices import compile_ahead, compiled_train_step, memory_of
from slimtrain.train.step import State, blank, start

Streams = tuple[Stream, Stream | None]


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
        feeding, judging = streams = _streams(parts)
        new = None
        if request.resume is None:
            need_place(request)
            new = _begun(request, parts, streams)
        run = stack.enter_context(lock(claim(request)))
        if new is not None:
            need_new(run)  # another process may have begun and ended one since
        begun = new or _begun(request, parts, streams, *resumed_state(request, parts.task, run, talk))
        stop.at_once = False
        first = int(begun.state.step)
        keeper = stack.enter_context(Keeper.open(run, parts.document, first, parts.batches))
        if first < parts.total or not run.env.exists():
            write_records(run, parts.document, parts.data, parts.net, request.command)
        again = request.again or f"slimtrain fit {parts.document.path}"
        if first < parts.total:
            keeper.rehearse(begun.state, talk)
        calls = begun.ready.finish(talk, lambda: stop)
        if calls is None:
            leave(keeper, begun.state, stop, again)
        keeper.finish()
        give_back()
        if request.deterministic and first < parts.total:
            _try_twice(feeding, calls, begun.state, first)
        evaluate = runner(parts.task, judging, calls.evaluate) if judging is not None else None
        goal = f", to step {parts.total}" if first < parts.total else " is trained"
        talk.say(f"{begun.message}: {run.path}{goal}")
        watch = train(Job(parts, calls, feeding, keeper, evaluate, talk, again), begun.state, stop)
    rate = round(watch.rate() * parts.batch_size, 1)
    seconds = time.monotonic() - began
    return Fitted(str(run.path), watch.reached, parts.epoch(watch.reached), keeper.last_metrics(), seconds, rate)


@dataclass(frozen=True)
class _Begun:
    """The state to go on from, the steps as they are compiled meanwhile, and what to say of it."""

    state: State
    ready: Compiling
    message: str


def _begun(
    request: Request, parts: Prepared, streams: Streams, state: State | None = None, message: str = ""
) -> _Begun:
    """Where a run goes on from a state, or begins where there is none yet; the steps are compiled meanwhile.

    A signal is noted at once, and where nothing is written yet leaves nothing behind.
    """
    weights, told = first_weights(request, parts.task) if state is None else ({}, "")
    done = 0 if state is None else int(state.step)
    ready = compiling(parts.task, *streams, ahead=done < parts.total)
    if state is None:
        state = in_thread(lambda: start(parts.task, request.document.seed, weights))
    return _Begun(state, ready, f"{message}{told}")


def _try_twice(feeding: Stream, calls: Steps, state: State, first: int) -> None:
    with feeding.open(first + 1) as batch_at:
        need_repeatable(calls.train, state, batch_at(first))


def _streams(parts: Prepared) -> Streams:
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
