"""A train step taken again to look at it: which of its numbers are not finite, forward and backward.

Gradients with respect to end points are those of zeros that are added to them.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from slimtrain.lazy import Array, jax, jnp, optax
from slimtrain.net.modes import probing
from slimtrain.net.passes import Arrays, regularization_terms
from slimtrain.train.state import name_of
from slimtrain.train.step import Batch, State, Task, attempt, key_of, losses_of, split_batch


class Look(NamedTuple):
    """An array's `bad` rows [first axis], which hold numbers that are not finite; the largest size of the others."""

    bad: Array
    largest: Array


class Part(NamedTuple):
    """One forward and backward pass over a batch or a part of it; `gradients` are of end points and of variables."""

    end_points: dict[str, Look]
    statistics: dict[str, Look]
    terms: dict[str, Look]
    penalties: dict[str, Look]
    loss: Look
    gradients_at: dict[str, Look]
    gradients_of: dict[str, Look]
    gradient_norm: Array


class Update(NamedTuple):
    """What becomes of the gradients: after multipliers and clipping, the optimizer's moments, the new weights."""

    clipped: dict[str, Look]
    moments: dict[str, Look]
    weights: dict[str, Look]
    averages: dict[str, Look]
    gradient_norm: Array


def look(value: Any) -> Look:
    """What is not finite in an array of any shape."""
    array = jnp.atleast_1d(jnp.asarray(value))
    good = jnp.isfinite(array)
    rows = jnp.any(~good, axis=tuple(range(1, array.ndim)))
    return Look(rows, jnp.max(jnp.where(good, jnp.abs(array), 0), initial=0))


def looks(values: Any) -> dict[str, Look]:
    """A look at each array of a tree, by name."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(values)
    return {name_of(path): look(leaf) for path, leaf in leaves}


def parts(task: Task, state: State, batch: Batch) -> Iterator[Part]:
    """The passes of a step, one for each part of the batch, on the host; a part sees the statistics that it saw."""
    number = task.train.accumulate
    pieces = [batch] if number == 1 else split_batch(batch, number)
    statistics = state.statistics
    run = jax.jit(partial(_pass, task))
    for index, piece in enumerate(pieces):
        key = key_of(state, None if number == 1 else index)
        found, statistics = run(state, statistics, dict(piece), key)
        yield jax.device_get(found)


def _pass(task: Task, state: State, statistics: Arrays, batch: Batch, key: Array) -> tuple[Part, Arrays]:
    trained = {name: value for name, value in state.parameters.items() if name in task.trained}

    def loss_of(trained: Arrays, probes: Arrays) -> tuple[Array, Any]:
        seen: dict[str, Array] = {}
        probed = replace(task, forward=probing(task.forward, probes, seen))
        parameters = {**state.parameters, **trained}
        loss, (terms, after, _) = losses_of(probed, state, parameters, statistics, batch, key)
        return loss, (dict(seen), terms, after)

    _, (forms, _, _) = jax.eval_shape(loss_of, trained, {})
    probes = {n: jnp.zeros(f.shape, f.dtype) for n, f in forms.items() if jnp.issubdtype(f.dtype, jnp.floating)}
    both = jax.value_and_grad(loss_of, argnums=(0, 1), has_aux=True)
    (loss, (seen, terms, after)), (of_variables, at_points) = both(trained, probes)
    penalties = regularization_terms(task.specs, state.parameters)
    forward = _each(seen), _each(after), _each(terms), _each(penalties)
    gradients = _each(at_points), _each(of_variables), optax.tree.norm(of_variables)
    return Part(*forward, look(loss), *gradients), after


def _each(values: Arrays) -> dict[str, Look]:
    return {name: look(value) for name, value in values.items()}


def update(task: Task, state: State, batch: Batch) -> Update:
    """What a step makes of its gradients, on the host."""

    def run(state: State, batch: Batch) -> Update:
        tried = attempt(task, state, batch)
        norm = optax.tree.norm(tried.found.gradients)
        moments, averages = looks(tried.new.optimizer), looks(tried.new.averages)
        return Update(_each(tried.gradients), moments, _each(tried.moved), averages, norm)

    told: Update = jax.device_get(jax.jit(run)(state, dict(batch)))
    return told
