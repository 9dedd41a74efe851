"""The steps of a run, compiled side by side in threads while the rest of the run is made ready."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from slimtrain import programs
from slimtrain.jobs.stream import Stream
from slimtrain.jobs.talk import Talk
from slimtrain.lazy import jax
from slimtrain.train.devices import (
    EvalStep,
    TrainStep,
    compile_ahead,
    compiled_eval_step,
    compiled_train_step,
    compiled_train_steps,
)
from slimtrain.train.held import stacked
from slimtrain.train.loop import Several
from slimtrain.train.step import Task, blank

T = TypeVar("T")

STEPS_PER_DISPATCH = 8
"""Train steps that go to an accelerator at once, where nothing is to be looked at between them."""


@dataclass(frozen=True)
class Steps:
    """What a run calls: a train step, several in one dispatch (None where that is no gain), an evaluation step."""

    train: TrainStep
    several: Several | None
    evaluate: EvalStep


@dataclass(frozen=True)
class Compiling:
    """Steps that are being compiled: to train, to evaluate, to train several times; None stands for one not wanted."""

    parts: Sequence[Future[Any]]

    def finish(self, talk: Talk, stopped: Callable[[], Any] = lambda: False) -> Steps | None:
        """The compiled steps, None where it was asked to stop before; raises what compiling them raised."""
        talk.waiting(lambda seconds: bool(stopped()) or not wait(self.parts, seconds).not_done, "compiling the steps")
        if stopped():
            return None
        train, evaluate, several = (part.result() for part in self.parts)
        programs.end()
        return Steps(train, several and Several(STEPS_PER_DISPATCH, several, stacked), evaluate)


def compiling(task: Task, training: Stream, evaluation: Stream | None, *, ahead: bool) -> Compiling:
    """Starts compiling, side by side. The main thread is free meanwhile, and notes a signal at once.

    Args:
        task: what is trained.
        training: its batches.
        evaluation: the batches of an evaluation, if there is one.
        ahead: compile now; else when a step is called first, as where a run is trained already.
    """
    programs.begin()
    state = blank(task)
    train, evaluate = compiled_train_step(task), compiled_eval_step(task)
    work: list[Callable[[], Any]] = [lambda: train, lambda: evaluate, lambda: None]
    if ahead:
        work[0] = lambda: compile_ahead(train, state, training.like)
    if ahead and evaluation is not None:
        work[1] = lambda: compile_ahead(evaluate, *state[:2], evaluation.like)
    if ahead and scans(training):
        work[2] = lambda: compile_ahead(
            compiled_train_steps(task), state, stacked([training.like] * STEPS_PER_DISPATCH)
        )
    threads = ThreadPoolExecutor(len(work), "slimtrain-compiling")
    parts = [threads.submit(one) for one in work]
    threads.shutdown(wait=False)
    return Compiling(parts)


def in_thread(work: Callable[[], T]) -> T:
    """What `work` gives, done by a thread: a main thread that compiles notes no signal until XLA is through."""
    thread = ThreadPoolExecutor(1, "slimtrain-compiling")
    done = thread.submit(work)
    thread.shutdown(wait=False)
    return done.result()


def scans(training: Stream) -> bool:
    """Whether several train steps go in one dispatch: on accelerators, from a split that lives there."""
    return training.held and jax.default_backend() != "cpu"
