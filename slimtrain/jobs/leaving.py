"""How a run is left before its end: saved, with the command that goes on with it."""

import shlex
from typing import NoReturn

from slimtrain.errors import Problem, StoppedError
from slimtrain.jobs.keeper import Keeper
from slimtrain.jobs.signals import Stop
from slimtrain.lazy import jax
from slimtrain.train.step import State


def leave(keeper: Keeper, state: State, stop: Stop, again: str) -> NoReturn:
    """Saves the state and raises StoppedError; a step that was refused meanwhile is not in it.

    Args:
        keeper: the run's books.
        state: as it is after the last step.
        stop: the signal.
        again: the command that goes on with the run, less its directory.
    """
    step, run = int(state.step), keeper.run.path
    path = keeper.save(good(state), step)
    keeper.finish()
    told = f"stopped by {stop.name} after step {step}; saved {path}"
    hint = f"go on with: {again} --run-dir {shlex.quote(str(run))} --resume"
    raise StoppedError(stop.number, Problem("", told, hint))


def good(state: State) -> State:
    """The state without the mark of a refused step, which is not in it: a resume tries that step again."""
    return state._replace(finite=jax.numpy.bool_(True))
