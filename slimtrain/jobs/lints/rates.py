"""Learning rates that fall to 0 before the training ends."""

from typing import Any

import numpy as np

from slimtrain.config.document import Document
from slimtrain.errors import Problem
from slimtrain.lazy import Array, jax
from slimtrain.train.step import Task

SAMPLES = 1001
SPENT = 0.01
"""Share of the steps at the end that may have a learning rate of 0."""


def spent_rate(document: Document, task: Task, steps: int) -> list[Problem]:
    """A schedule that is over, at 0, while the steps that are planned are not."""
    if document.optimizer is None:
        return []
    number = min(steps, SAMPLES)
    samples = np.array([i * (steps - 1) // max(number - 1, 1) for i in range(number)], np.int32)
    rates = _rates(task)(samples).tolist()
    moving = [i for i, rate in enumerate(rates, 1) if rate > 0]
    spent = number - max(moving, default=0)
    if spent <= SPENT * number:
        return []
    what = f"the learning rate is 0 in the last {spent / number:.1%} of {steps:,} steps, which train nothing"
    hint = f"let it fall over {steps:,} steps, or train for fewer"
    mark = document.optimizer.arguments["learning_rate"].origin.mark
    return [Problem(f"optimizer {document.optimizer.name}", what, hint, mark, "warning")]


def _rates(task: Task) -> Any:
    def learning_rates(steps: Array) -> Array:
        rates: Array = jax.vmap(task.learning_rate)(steps)
        return rates

    return jax.jit(learning_rates)
