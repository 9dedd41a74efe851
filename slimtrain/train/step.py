"""The state, and the pure functions that take it one step on.

The threading rule: the forward pass returns the new statistics as values, computed from this step's batch and the
weights before the step; they are part of the state that the step returns. Nothing is global, nothing is mutated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from slimtrain.config.sections import Train
from slimtrain.lazy import Array, jax, jnp, optax
from slimtrain.net.graph import Forward
from slimtrain.net.passes import Arrays, apply, init, regularization
from slimtrain.net.scope import VarSpec
from slimtrain.train.objective import Objective, Sum, loss_sums, loss_values, metric_sums
from slimtrain.train.optim import clipped, multiplied

Batch = Mapping[str, Any]


class State(NamedTuple):
    """Everything that a run is at one moment. `finite` is false once a step was refused; later ones change nothing."""

    parameters: Arrays
    statistics: Arrays
    optimizer: Any
    step: Array
    seed: Array
    finite: Array


@dataclass(frozen=True)
class Task:
    """What is trained and how, static. `trained` names the variables that the optimizer moves."""

    forward: Forward
    specs: Mapping[str, VarSpec]
    scope: str
    objective: Objective
    train: Train
    optimizer: Any
    learning_rate: Any
    trained: frozenset[str]
    multipliers: Mapping[str, float]


def start(task: Task, seed: int) -> State:
    """The state before the first step."""
    parameters, statistics = init(task.specs, jax.random.key(seed))
    return fresh(task, parameters, statistics, seed)


def fresh(task: Task, parameters: Arrays, statistics: Arrays, seed: int) -> State:
    """The state before the first step, from given weights."""
    optimizer = jax.jit(task.optimizer.init)(_of(task.trained, parameters))
    return State(parameters, statistics, optimizer, jnp.int32(0), jnp.uint32(seed), jnp.bool_(True))


def train_step(task: Task, state: State, batch: Batch) -> tuple[State, dict[str, Any]]:
    """One step: (state, batch) -> (new state, loss and sums of metrics, with the weights before it)."""
    key = jax.random.fold_in(jax.random.key(state.seed), state.step)
    trained = _of(task.trained, state.parameters)

    def loss_of(trained: Arrays) -> tuple[Array, Any]:
        return _losses(task, {**state.parameters, **trained}, state.statistics, batch, key)

    (loss, (statistics, metrics)), raw = jax.value_and_grad(loss_of, has_aux=True)(trained)
    gradients = multiplied(raw, task.multipliers)
    gradients = clipped(gradients, task.train.clip_gradient_norm, task.train.clip_global_norm)
    steps, optimizer = task.optimizer.update(gradients, state.optimizer, trained)
    moved = optax.apply_updates(trained, steps)
    new = State({**state.parameters, **moved}, statistics, optimizer, state.step + 1, state.seed, state.finite)
    if task.train.check_numerics:
        # Of both: Lion takes the sign of an infinite gradient, and a step can overflow that began finite.
        finite = state.finite & all_finite((loss, raw, moved, statistics))
        new = kept_unless(finite, new._replace(finite=finite), state)
    metrics |= {"loss": loss, "learning_rate": task.learning_rate(state.step), "finite": new.finite}
    return new, metrics


def kept_unless(good: Array, new: State, old: State) -> State:
    """The new state where `good`, else all of the old one; only `finite` is the new one's."""
    chosen = jax.tree.map(lambda n, o: jnp.where(good, n, o), new, old)
    return chosen._replace(finite=new.finite)  # type: ignore[no-any-return]


def all_finite(values: Any) -> Array:
    """Whether every number of a tree is finite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(v)) for v in jax.tree.leaves(values)]))


def _losses(task: Task, parameters: Arrays, statistics: Arrays, batch: Batch, key: Array) -> tuple[Array, Any]:
    output, statistics, end_points = apply(
        task.forward,
        parameters,
        statistics,
        batch,
        training=True,
        key=key,
        want=task.objective.wants(),
        update_ops=task.train.update_ops,
        scope=task.scope,
    )
    losses = loss_values(task.objective, loss_sums(task.objective, output, end_points, batch))
    metrics = metric_sums(task.objective, output, end_points, batch)
    penalty = regularization(task.specs, parameters)
    return sum(losses.values(), start=penalty), (statistics, metrics)


def eval_step(task: Task, parameters: Arrays, statistics: Arrays, batch: Batch) -> dict[str, Sum]:
    """Sums of losses (`losses/<name>`) and metrics over a batch, in evaluation mode; `mask` says which count."""
    output, _, end_points = apply(
        task.forward,
        parameters,
        statistics,
        batch,
        training=False,
        key=jax.random.key(0),
        want=task.objective.wants(),
        scope=task.scope,
    )
    losses = loss_sums(task.objective, output, end_points, batch)
    return {**{f"losses/{n}": s for n, s in losses.items()}, **metric_sums(task.objective, output, end_points, batch)}


def _of(names: frozenset[str], values: Arrays) -> Arrays:
    return {n: v for n, v in values.items() if n in names}
