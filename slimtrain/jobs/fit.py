"""`slimtrain fit`: trains, evaluates, saves; stops and goes on without losing or repeating a step."""

import shlex
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from slimtrain.config.document import Document
from slimtrain.errors import CheckpointError, DivergedError, Problem, StoppedError
from slimtrain.jobs.build import ABSTRACT_BATCH, Feed, Network, feed, make_task, need_training, network, open_data
from slimtrain.jobs.evaluate import Run, runner
from slimtrain.jobs.keeper import Keeper
from slimtrain.jobs.lints import warnings_of
from slimtrain.jobs.records import write_records
from slimtrain.jobs.restore import Filter, initialized, load_state, resume_point, weights_from
from slimtrain.jobs.signals import Stop, stopping
from slimtrain.jobs.talk import QUIET, Advance, Talk
from slimtrain.lazy import jax
from slimtrain.store import checkpoint
from slimtrain.store.rundir import RunDir, create, default_path, lock
from slimtrain.train.devices import compile_ahead, compiled_train_step, finished, memory_of
from slimtrain.train.loop import Stepped, steps
from slimtrain.train.step import State, Task, fresh, start


@dataclass(frozen=True)
class Request:
    """What `fit` was asked. `resume` is None for a new run, '' for the run's own newest checkpoint, or a place.

    `command` is what was typed; `again` is the command that goes on with the run, less its directory.
    """

    document: Document
    run_dir: Path | None = None
    resume: str | None = None
    init_from: Path | None = None
    chosen: Filter = Filter()
    command: Sequence[str] = ()
    again: str = ""


@dataclass(frozen=True)
class Fitted:
    """What a finished run tells."""

    run: str
    steps: int
    epochs: float
    metrics: dict[str, float]
    seconds: float
    examples_per_second: float

    def record(self) -> dict[str, Any]:
        """As `--json` gives it."""
        return dict(vars(self))


@dataclass(frozen=True)
class Job:
    """What a run is made of once everything is read: the task, its batches, how long, where."""

    document: Document
    net: Network
    task: Task
    batches: Feed
    total: int
    keeper: Keeper
    evaluate: Run | None
    talk: Talk
    again: str

    def epoch(self, step: int) -> float:
        """How many passes over the training split a step is."""
        return round(step / self.batches.epoch_steps, 4)


@dataclass
class Watch:
    """Time spent in training steps, without compiling, evaluating and saving."""

    steps: int = 0
    seconds: float = 0.0
    since: float | None = None
    pending: int = field(default=0)

    def restart(self) -> None:
        """Starts counting from now."""
        self.since, self.pending = time.monotonic(), 0

    def stop(self) -> float:
        """Counts what passed since the start; gives its steps a second."""
        passed = time.monotonic() - self.since if self.since is not None else 0.0
        self.steps, self.seconds = self.steps + self.pending, self.seconds + passed
        return self.pending / passed if passed > 0 and self.pending else 0.0


def fit(request: Request, talk: Talk = QUIET) -> Fitted:
    """Trains as the config says and gives the result; every way it can end leaves the run's directory whole.

    Raises:
        ConfigError, DataError: before anything is written.
        RunInUseError: another process has the directory.
        CheckpointError: what to go on from does not fit.
        DivergedError: numbers that are not finite; the state before them is saved.
        StoppedError: a signal; the state is saved.
        WriteError: the disk is full, the directory gone.
    """
    began = time.monotonic()
    document = request.document
    need_training(document)
    data = open_data(document)
    net = network(document, data)
    task = make_task(document, net)
    batches = feed(document, data, task.objective, net)
    epoch = batches.epoch_steps
    total = document.train.steps or (document.train.epochs or 0) * epoch
    talk.warn(warnings_of(document, net))
    begun = _fresh(request, task) if request.resume is None else None  # before anything is written
    run = claim(request)
    with ExitStack() as stack:
        stack.enter_context(lock(run))
        stop = stack.enter_context(stopping())
        state, message = begun or resumed_state(request, task, run)
        first = int(state.step)
        keeper = stack.enter_context(Keeper.open(run, document, first))
        if first < total or not run.env.exists():
            write_records(run, document, net, request.command)
        evaluate = runner(task, batches, "test") if "test" in data.splits else None
        again = request.again or f"slimtrain fit {document.path}"
        job = Job(document, net, task, batches, total, keeper, evaluate, talk, again)
        talk.say(f"{message}: {run.path}, to step {total}" if first < total else f"{message}: {run.path} is trained")
        watch = train(job, state, stop)
    metrics, reached = keeper.last_metrics(), max(first, total)
    rate = watch.steps / watch.seconds * _batch_size(document) if watch.seconds else 0.0
    return Fitted(str(run.path), reached, job.epoch(reached), metrics, time.monotonic() - began, round(rate, 1))


def _batch_size(document: Document) -> int:
    assert document.data is not None
    return document.data.batch_size


def claim(request: Request) -> RunDir:
    """The run's directory: the one named, the newest of the config's name to resume, or the first free one."""
    resume = request.resume is not None
    if request.run_dir is not None:
        return create(request.run_dir, resume=resume)
    free = default_path(Path(), request.document.name)
    if not resume:
        return create(free, resume=False)
    name, number = request.document.name, 1
    newest = free
    while (path := free.parent / (name if number == 1 else f"{name}-{number}")).exists():
        newest, number = path, number + 1
    return create(newest, resume=True)


def resumed_state(request: Request, task: Task, run: RunDir) -> tuple[State, str]:
    """The state to go on from, or a fresh one where the run has none yet; and what to say of it."""
    checkpoint.recover(run)
    path, refused = resume_point(run, request.resume or "")
    if path is None:
        state, message = _fresh(request, task)
        return state, f"no checkpoint yet, {message}"
    state = load_state(task, path)
    if int(state.seed) != request.document.seed:
        told = f"was trained with seed {int(state.seed)}, the config says {request.document.seed}"
        raise CheckpointError(Problem(str(path), told, f"resume with seed={int(state.seed)}"))
    told = "".join(f"{line}; going one back\n" for line in refused)
    return state, f"{told}resuming at step {int(state.step)}"


def _fresh(request: Request, task: Task) -> tuple[State, str]:
    state = start(task, request.document.seed)
    if request.init_from is None:
        return state, "training"
    given = weights_from(request.init_from)
    source = str(request.init_from)
    parameters, statistics = initialized(task, state.parameters, state.statistics, given, request.chosen, source)
    return fresh(task, parameters, statistics, request.document.seed), f"training from the weights of {source}"


def train(job: Job, state: State, stop: Stop) -> Watch:
    """Runs the loop to its end: steps, metrics, evaluations, checkpoints. Gives the time that steps took."""
    first, watch = int(state.step), Watch()
    split = job.batches.split("train")
    step = compiled_train_step(job.task)
    if first and first < job.total:
        _evaluate_if_due(job, state, first, stop)
    with job.talk.bar(job.total, first, "step", job.document.name) as advance:
        feed_of = lambda number: job.batches.train_batch(split, number)  # noqa: E731
        events = steps(step, state, feed_of, first, job.total, lambda n: _boundary(job, n))
        try:
            for done in events:
                _after(job, done, watch, stop, advance, first)
        except DivergedError as error:
            raise _diverged(job, error) from None
    if first >= job.total:
        _finish(job, state, first, stop)
    return watch


def _finish(job: Job, state: State, step: int, stop: Stop) -> None:
    """What a run that is trained already may still lack: its last evaluation, a checkpoint of its own."""
    _evaluate_if_due(job, state, step, stop)
    if stop:
        _stop(job, state, stop)
    if checkpoint.of_step(job.keeper.run, step) is None:
        job.keeper.save(state, step)
    job.keeper.repoint()


def _after(job: Job, done: Stepped, watch: Watch, stop: Stop, advance: Advance, first: int) -> None:
    """What follows a step: its line of metrics, an evaluation, a checkpoint, a stop."""
    watch.pending += 1
    if done.step == first + 1:  # the first step compiled
        finished(done.metrics["loss"])
        watch.restart()
    postfix = _log(job, done, watch) if _logs(job, done.step) else ""
    advance(1, postfix)
    if stop:
        _stop(job, done.state, stop)
    if _evaluates(job, done.step) or _saves(job, done.step):
        finished(done.metrics["loss"])
        watch.stop()
        _evaluate_if_due(job, done.state, done.step, stop)
        if stop:
            _stop(job, done.state, stop)
        if _saves(job, done.step) or job.keeper.is_best(done.step):
            job.keeper.save(done.state, done.step)
        watch.restart()


def _log(job: Job, done: Stepped, watch: Watch) -> str:
    values = {n: shortest(v) for n, v in jax.device_get(done.metrics).items() if n != "finite"}
    rate = watch.stop() * _batch_size(job.document)
    watch.restart()
    record: dict[str, Any] = {"step": done.step, "epoch": job.epoch(done.step)}
    record |= {n if n == "learning_rate" else f"train/{n}": v for n, v in values.items()}
    job.keeper.write(record | ({"examples_per_second": round(rate, 1)} if rate else {}))
    return f"loss {values['loss']:.4g}"


def shortest(value: Any) -> float:
    """A float32 as the shortest number that is read back as the same float32."""
    return float(str(value))


def _evaluate_if_due(job: Job, state: State, step: int, stop: Stop) -> None:
    if job.evaluate is None or not _evaluates(job, step) or job.keeper.evaluated(step):
        return
    found = job.evaluate(state.parameters, state.statistics, job.talk, lambda: stop)
    if found is None:
        return
    job.keeper.write({"step": step, "epoch": job.epoch(step), **{f"eval/{n}": v for n, v in found.items()}})
    shown = "  ".join(f"{n} {v:.4f}" for n, v in found.items())
    job.talk.say(f"step {step}/{job.total}  {shown}")


def _every(job: Job, setting: int | None, step: int) -> bool:
    """Whether a step is one of every `setting`: an epoch for None, the last step only for 0."""
    every = job.batches.epoch_steps if setting is None else setting
    return step == job.total or (every > 0 and step % every == 0)


def _logs(job: Job, step: int) -> bool:
    return _every(job, job.document.train.log_every, step)


def _evaluates(job: Job, step: int) -> bool:
    return job.evaluate is not None and _every(job, job.document.train.eval_every, step)


def _saves(job: Job, step: int) -> bool:
    return _every(job, job.document.train.checkpoint_every, step)


def _boundary(job: Job, step: int) -> bool:
    return _logs(job, step) or _evaluates(job, step) or _saves(job, step)


def _stop(job: Job, state: State, stop: Stop) -> None:
    """Saves the state and leaves; a step that was refused meanwhile is not in it."""
    step, run = int(state.step), job.keeper.run.path
    path = job.keeper.save(_good(state), step)
    name = signal.Signals(stop.number).name
    told = f"stopped by {name} after step {step}; saved {path}"
    hint = f"go on with: {job.again} --run-dir {shlex.quote(str(run))} --resume"
    raise StoppedError(stop.number, Problem("", told, hint))


def _diverged(job: Job, error: DivergedError) -> DivergedError:
    """The error, after the state from before the bad step was saved."""
    state = _good(error.state)
    path = job.keeper.save(state, int(state.step))
    told = DivergedError(*error.problems, Problem("", f"the state before it is saved: {path}"))
    told.state = state
    return told


def _good(state: State) -> State:
    """The state without the mark of a refused step, which is not in it: a resume tries that step again."""
    return state._replace(finite=jax.numpy.bool_(True))


def dry(request: Request, talk: Talk) -> dict[str, Any]:
    """What `fit` would do: checked, built, compiled, nothing trained or written."""
    document = request.document
    need_training(document)
    data = open_data(document)
    net = network(document, data)
    task = make_task(document, net)
    batches = feed(document, data, task.objective, net)
    talk.warn(warnings_of(document, net))
    state = jax.eval_shape(partial(start, task, document.seed))
    began = time.monotonic()
    batch = batches.train_batch(batches.split("train"), 0)
    compiled = compile_ahead(compiled_train_step(task), state, batch)
    total = document.train.steps or (document.train.epochs or 0) * batches.epoch_steps
    return {
        "steps": total,
        "epochs": round(total / batches.epoch_steps, 4),
        "batch": _batch_size(document),
        "parameters": sum(prod(spec.shape) for spec in task.specs.values()),
        "flops": net.declaration.flops // ABSTRACT_BATCH,
        "compile_s": round(time.monotonic() - began, 3),
        "peak_memory_bytes": memory_of(compiled),
    }
