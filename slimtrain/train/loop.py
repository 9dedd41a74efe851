"""The loop: steps as events, a little ahead of what is known to be good, never past a boundary before it is."""

from collections import deque
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, NamedTuple

from slimtrain.errors import DivergedError, Problem
from slimtrain.train.devices import TrainStep
from slimtrain.train.step import Batch, State

RUN_AHEAD = 2


class Stepped(NamedTuple):
    """One finished (or dispatched) step: its number from 1, the state after it, its metrics, still on the device."""

    step: int
    state: State
    metrics: dict[str, Any]


def steps(
    step: TrainStep,
    state: State,
    batch_at: Callable[[int], Batch],
    first: int,
    last: int,
    boundary: Callable[[int], bool],
) -> Iterator[Stepped]:
    """Trains from step `first` (0 at the start) up to `last`, yielding after each.

    The device runs up to RUN_AHEAD steps ahead of the host. At a boundary everything before it is known to be finite.

    Args:
        step: the compiled train step.
        state: the state to go on from; used up.
        batch_at: the batch of a step, from 0.
        first: steps that are done already.
        last: steps to reach.
        boundary: whether the host will look at the state after this many steps.

    Raises:
        DivergedError: a loss or gradient that is not finite; it carries the state from before that step.
    """
    pending: deque[Stepped] = deque()
    for number in range(first, last):
        state, metrics = step(state, batch_at(number))
        done = Stepped(number + 1, state, metrics)
        pending.append(done)
        while len(pending) > (0 if boundary(number + 1) or number + 1 == last else RUN_AHEAD):
            _check(pending.popleft(), state)
        yield done


def _check(done: Stepped, state: State) -> None:
    if bool(done.metrics["finite"]):
        return
    loss = float(done.metrics["loss"])
    what = "a gradient or statistic" if isfinite(loss) else f"loss {loss}"
    hint = "lower the learning rate, warm it up, or clip gradients (train.clip_global_norm)"
    error = DivergedError(Problem(f"step {done.step}", f"{what} is not finite; the state before it is kept", hint))
    error.state = state
    raise error
