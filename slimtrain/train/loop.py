"""The loop: steps as events, a little ahead of what is known to be good, never past a boundary before it is."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any, NamedTuple

from slimtrain.errors import DivergedError, Problem
from slimtrain.train.devices import TrainStep
from slimtrain.train.step import State

RUN_AHEAD = 2


class Stepped(NamedTuple):
    """Steps finished (or dispatched) at once: the last one's number from 1, the state after it, its metrics.

    State and metrics are still on the device.
    """

    step: int
    state: State
    metrics: dict[str, Any]


class Several(NamedTuple):
    """A train step on a number of batches in one dispatch; `stacked` makes one batch of theirs."""

    number: int
    step: TrainStep
    stacked: Callable[[Sequence[Any]], Any]


def steps(
    step: TrainStep,
    state: State,
    batch_at: Callable[[int], Any],
    first: int,
    last: int,
    boundary: Callable[[int], bool],
    several: Several | None = None,
) -> Iterator[Stepped]:
    """Trains from step `first` (0 at the start) up to `last`, yielding after each dispatch.

    The device runs up to RUN_AHEAD dispatches ahead of the host. At a boundary everything before it is known to be
    finite; no dispatch goes over one.

    Args:
        step: the compiled train step.
        state: the state to go on from; may be used up.
        batch_at: the batch of a step, from 0.
        first: steps that are done already.
        last: steps to reach.
        boundary: whether the host will look at the state after this many steps.
        several: takes as many steps at once, where no boundary is between them.

    Raises:
        DivergedError: a loss or gradient that is not finite; it carries the state from before that step, and its batch.
    """
    # No states: those of steps under way would stay in memory.
    pending: deque[tuple[int, dict[str, Any], list[Any]]] = deque()
    number = first
    while number < last:
        if several is not None and _clear(number, several.number, last, boundary):
            batches = [batch_at(n) for n in range(number, number + several.number)]
            state, metrics = several.step(state, several.stacked(batches))
        else:
            batches = [batch_at(number)]
            state, metrics = step(state, batches[0])
        number += len(batches)
        pending.append((number, metrics, batches))
        kept = 0 if number == last or boundary(number) else RUN_AHEAD
        while len(pending) > kept:
            _check(*pending.popleft(), state)
        yield Stepped(number, state, metrics)


def _clear(number: int, count: int, last: int, boundary: Callable[[int], bool]) -> bool:
    """Whether `count` steps after `number` reach no boundary before their last."""
    return number + count <= last and not any(map(boundary, range(number + 1, number + count)))


def _check(last: int, metrics: dict[str, Any], batches: Sequence[Any], state: State) -> None:
    if bool(metrics["finite"]):
        return
    loss = float(metrics["loss"])
    what = "a gradient or statistic" if isfinite(loss) else f"loss {loss}"
    hint = "lower the learning rate, warm it up, or clip gradients (train.clip_global_norm)"
    after = int(metrics.get("skipped", 0))
    number = last - after
    error = DivergedError(Problem(f"step {number}", f"{what} is not finite; the state before it is kept", hint))
    error.state, error.step, error.batch, error.loss = state, number, batches[-1 - after], loss
    raise error
