"""The loop from the host's side: what follows each step, and how a run stops."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np

from slimtrain.errors import DivergedError, Problem
from slimtrain.jobs import diverged
from slimtrain.jobs.begin import Prepared
from slimtrain.jobs.compiling import Steps
from slimtrain.jobs.evaluate import Run
from slimtrain.jobs.keeper import Keeper
from slimtrain.jobs.leaving import good, leave
from slimtrain.jobs.signals import Stop
from slimtrain.jobs.stream import Stream
from slimtrain.jobs.tables import metrics
from slimtrain.jobs.talk import Advance, Talk
from slimtrain.lazy import jax
from slimtrain.store import checkpoint
from slimtrain.train.devices import finished
from slimtrain.train.loop import Stepped, steps
from slimtrain.train.objective import metric_values, on_host
from slimtrain.train.step import State, evaluated

UNPREFIXED = ("learning_rate", "gradient_norm", "skipped_steps")
"""Starts of the names in a training line that are no losses or metrics."""

UNTOLD = ("finite", "skipped")
"""Names among a step's metrics that are the loop's own."""


@dataclass(frozen=True)
class Job:
    """A run under way: what it is made of, its compiled steps and training batches, its books, where it talks to.

    `evaluate` is None without a test split; `again` is the command that goes on with it, less its directory.
    """

    parts: Prepared
    calls: Steps
    batches: Stream
    keeper: Keeper
    evaluate: Run | None
    talk: Talk
    again: str

    @property
    def total(self) -> int:
        """The last step."""
        return self.parts.total


@dataclass
class Watch:
    """How far the run has come, and the time spent in training steps, without compiling, evaluating and saving."""

    reached: int = 0
    steps: int = 0
    seconds: float = 0.0
    since: float | None = None
    pending: int = 0

    def restart(self) -> None:
        """Starts counting from now."""
        self.since, self.pending = time.monotonic(), 0

    def passes(self, step: int) -> int:
        """Notes that a step is done; gives how many it was since the last one noted."""
        passed, self.reached = step - self.reached, step
        self.pending += passed
        return passed

    def stop(self) -> float:
        """Counts what passed since the start; gives its steps a second."""
        passed = time.monotonic() - self.since if self.since is not None else 0.0
        self.steps, self.seconds = self.steps + self.pending, self.seconds + passed
        return self.pending / passed if passed > 0 and self.pending else 0.0

    def rate(self) -> float:
        """Steps a second over all that was counted; 0 where nothing was."""
        return self.steps / self.seconds if self.seconds else 0.0


def train(job: Job, state: State, stop: Stop) -> Watch:
    """Runs the loop to its end: steps, metrics, evaluations, checkpoints. Gives the time that steps took."""
    first, watch = int(state.step), Watch(int(state.step))
    if first and first < job.total:
        _evaluate_if_due(job, state, first, stop)
        if stop:
            _stop(job, state, stop)
    if first >= job.total or _ends_early(job, first):
        _finish(job, state, first, stop)
        return watch
    with (
        job.batches.open(job.total) as batch_at,
        job.talk.bar(job.total, first, "step", job.parts.document.name) as advance,
    ):
        calls, boundary = job.calls, partial(_boundary, job)
        events = steps(calls.train, state, batch_at, first, job.total, boundary, calls.several)
        watch.restart()
        try:
            for done in events:
                if _after(job, done, watch, stop, advance):
                    break
        except DivergedError as error:
            raise _diverged(job, error) from None
    return watch


def _ends_early(job: Job, step: int) -> bool:
    """Whether training ends at this step because its evaluation and enough before it were no better than the best."""
    patience, keeper = job.parts.document.train.early_stop, job.keeper
    if patience is None or keeper.waited() < patience or not keeper.evaluated(step):
        return False
    if step < job.total:
        told = f"no better {keeper.judge} in {keeper.waited()} evaluations since step {keeper.best_step()}"
        job.talk.say(f"stopped early at step {step}: {told}")
    return True


def _finish(job: Job, state: State, step: int, stop: Stop) -> None:
    """What a run that is trained already may still lack: its last evaluation, a checkpoint of its own."""
    _evaluate_if_due(job, state, step, stop)
    if stop:
        _stop(job, state, stop)
    if checkpoint.of_step(job.keeper.run, step) is None:
        job.keeper.save(state, step)
        job.keeper.finish()
    job.keeper.settle(step)


def _after(job: Job, done: Stepped, watch: Watch, stop: Stop, advance: Advance) -> bool:
    """What follows a step: its line of metrics, an evaluation, a checkpoint, a stop; whether training ends here."""
    job.keeper.check()
    passed = watch.passes(done.step)
    advance(passed, _log(job, done, watch) if _logs(job, done.step) else "")
    if stop:
        _stop(job, done.state, stop)
    if _evaluates(job, done.step) or _saves(job, done.step):
        finished(done.metrics["loss"])
        watch.stop()
        _evaluate_if_due(job, done.state, done.step, stop)
        if stop:
            _stop(job, done.state, stop)
        early = _ends_early(job, done.step)
        if early or _saves(job, done.step) or job.keeper.is_best(done.step):
            job.keeper.save(done.state, done.step)
        watch.restart()
        return early
    return False


def _log(job: Job, done: Stepped, watch: Watch) -> str:
    found = jax.device_get(done.metrics)
    found |= metric_values(job.parts.task.objective, on_host(found))
    values: dict[str, Any] = {n: shortest(v) for n, v in found.items() if n not in UNTOLD}
    if "skipped_steps" in values:
        values["skipped_steps"] = int(values["skipped_steps"])
        _tell_skips(job, done.step, values["skipped_steps"])
    rate = watch.stop() * job.parts.batch_size
    watch.restart()
    record: dict[str, Any] = {"step": done.step, "epoch": job.parts.epoch(done.step)}
    record |= {n if n.startswith(UNPREFIXED) else f"train/{n}": v for n, v in values.items()}
    job.keeper.write(record | ({"examples_per_second": round(rate, 1)} if rate else {}))
    return f"loss {values['loss']:.4g}"


def _tell_skips(job: Job, step: int, total: int) -> None:
    """Warns where steps were left out since the line before."""
    before = max((line.get("skipped_steps", 0) for line in job.keeper.lines), default=0)
    if total > before:
        told = f"numbers that are not finite: left out {total - before} more of the steps so far, {total} in all"
        hint = f"'{diverged.HINT} {job.keeper.run.path}' tells where the first ones began"
        job.talk.warn([Problem(f"step {step}", told, hint, severity="warning")])


def shortest(value: Any) -> Any:
    """A number, or lists of them, as the shortest that are read back as the same float32."""
    return [shortest(v) for v in value] if isinstance(value, list) else float(str(np.float32(value)))


def _evaluate_if_due(job: Job, state: State, step: int, stop: Stop) -> None:
    if job.evaluate is None or not _evaluates(job, step) or job.keeper.evaluated(step):
        return
    found = job.evaluate(*evaluated(job.parts.task, state), job.talk, lambda: stop)
    if found is None:
        return
    job.keeper.write({"step": step, "epoch": job.parts.epoch(step), **{f"eval/{n}": v for n, v in found.items()}})
    job.talk.say(f"step {step}/{job.total}  {metrics(found)}")


def _every(job: Job, setting: int | None, step: int) -> bool:
    """Whether a step is one of every `setting`: an epoch for None, the last step only for 0."""
    every = job.parts.batches.epoch_steps if setting is None else setting
    return step == job.total or (every > 0 and step % every == 0)


def _logs(job: Job, step: int) -> bool:
    return _every(job, job.parts.document.train.log_every, step)


def _evaluates(job: Job, step: int) -> bool:
    return job.evaluate is not None and _every(job, job.parts.document.train.eval_every, step)


def _saves(job: Job, step: int) -> bool:
    return _every(job, job.parts.document.train.checkpoint_every, step)


def _boundary(job: Job, step: int) -> bool:
    return _logs(job, step) or _evaluates(job, step) or _saves(job, step)


def _stop(job: Job, state: State, stop: Stop) -> NoReturn:
    leave(job.keeper, state, stop, job.again)


def _diverged(job: Job, error: DivergedError) -> DivergedError:
    """The error, after the state from before the bad step and its batch were saved."""
    state = good(error.state)
    path = job.keeper.save(state, int(state.step))
    job.keeper.finish()
    batch = diverged.told(job.keeper.run, diverged.stopped_at(error, job.parts.batches))
    told = DivergedError(*error.problems, Problem("", f"the state before it is saved: {path}"), batch)
    told.state = state
    return told
