"""The state, and the pure functions that take it one step on.

The threading rule: the forward pass returns the new statistics as values, computed from this step's batch and the
weights before the step; they are part of the state that the step returns. Nothing is global, nothing is mutated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from slimtrain.config.sections import Train
from slimtrain.lazy import Array, jax, jnp, lax
from slimtrain.net.graph import Forward
from slimtrain.net.passes import Arrays, apply, drawn, regularization, regularized, split
from slimtrain.net.scope import VarSpec
from slimtrain.train.finite import all_finite, kept_unless
from slimtrain.train.objective import Objective, Sum, loss_sums, loss_values, metric_sums
from slimtrain.train.optim import clipped, multiplied, norm
from slimtrain.train.skips import Skips, none_skipped, skipped, updates_of
from slimtrain.train.taking import AtOnce, stepwise

Batch = Mapping[str, Any]


class State(NamedTuple):
    """Everything that a run is at one moment. `finite` is false once a step was refused; later ones change nothing.

    `averages` holds the moving averages of all variables by name, nothing without `train.ema`; `skips` counts the steps
    that were left out, None without `train.skip_non_finite`.
    """

    parameters: Arrays
    statistics: Arrays
    optimizer: Any
    step: Array
    seed: Array
    finite: Array
    averages: Arrays
    skips: Skips | None = None


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


def start(task: Task, seed: int, given: Mapping[str, Any] | None = None) -> State:
    """The state before the first step, compiled as one program; `given` are variables that do not start fresh."""

    def start(given: Arrays, seed: Array) -> State:
        own = {name: spec for name, spec in task.specs.items() if name not in given}
        values = {**drawn(own, jax.random.key(seed)), **given}
        return _begun(task, *split(task.specs, values), seed)

    # Copies, for on a CPU the state could share memory with what was given.
    own = jax.device_put({name: np.array(value) for name, value in (given or {}).items()}, may_alias=False)
    state: State = jax.jit(start)(own, np.uint32(seed))
    return state


def fresh(task: Task, parameters: Arrays, statistics: Arrays, seed: int) -> State:
    """The state before the first step, from given weights."""
    return start(task, seed, {**parameters, **statistics})


def blank(task: Task) -> State:
    """The form of a state, without numbers."""
    values: dict[str, Any] = {name: jax.ShapeDtypeStruct(spec.shape, spec.dtype) for name, spec in task.specs.items()}  # type: ignore[no-untyped-call]
    seed = jax.ShapeDtypeStruct((), "uint32")  # type: ignore[no-untyped-call]
    state: State = jax.eval_shape(partial(_begun, task), *split(task.specs, values), seed)
    return state


def _begun(task: Task, parameters: Arrays, statistics: Arrays, seed: Array) -> State:
    optimizer = task.optimizer.init(_of(task.trained, parameters))
    followed = {} if task.train.ema is None else {**parameters, **statistics}
    averages = {name: jnp.copy(value) for name, value in followed.items()}
    skips = None if task.train.skip_non_finite is None else none_skipped()
    return State(parameters, statistics, optimizer, jnp.int32(0), seed, jnp.bool_(True), averages, skips)


def train_step(task: Task, state: State, batch: Batch) -> tuple[State, dict[str, Any]]:
    """One step: (state, batch) -> (new state, losses and sums of metrics, with the weights before it)."""
    found, gradients = followed(task, state, batch)
    if at_once(task):
        new = _stepped_at_once(task, state, found, gradients)
    else:
        new = _stepped(task, state, found, gradients)
        if task.train.check_numerics:
            new = accepted(task, _is_finite(task, found, gradients, new), new, state)
    metrics = {
        **found.terms,
        **found.sums,
        "loss": found.loss,
        "learning_rate": task.learning_rate(updates_of(state.step, state.skips)),
    }
    if task.train.summarize_gradients:
        metrics |= {"gradient_norm": norm(*gradients.values())}
        metrics |= {f"gradient_norm/{name}": norm(g) for name, g in gradients.items()}
    if new.skips is not None:
        metrics |= {"skipped_steps": new.skips.total}
    return new, {**metrics, "finite": new.finite}


def at_once(task: Task) -> bool:
    """Whether the optimizer takes its step or leaves it by itself.

    Not with moving averages, which could be what is not finite when the step is taken.
    """
    return isinstance(task.optimizer, AtOnce) and task.train.check_numerics and task.train.ema is None


def followed(task: Task, state: State, batch: Batch) -> tuple["Found", Arrays]:
    """What a batch says, and its gradients as the optimizer follows them: multiplied and clipped."""
    found = gradients_of(task, state, _of(task.trained, state.parameters), batch)
    gradients = multiplied(found.gradients, task.multipliers)
    return found, clipped(gradients, task.train.clip_gradient_norm, task.train.clip_global_norm)


class Attempt(NamedTuple):
    """A step whether or not it is good: what the batch says, its gradients multiplied and clipped, the state after it.

    `moved` are the trained variables of that state.
    """

    found: "Found"
    gradients: Arrays
    moved: Arrays
    new: State


def attempt(task: Task, state: State, batch: Batch) -> Attempt:
    """A step as it comes out, whether or not its numbers are finite."""
    found, gradients = followed(task, state, batch)
    new = _stepped(task, state, found, gradients)
    return Attempt(found, gradients, _of(task.trained, new.parameters), new)


def _stepped(task: Task, state: State, found: "Found", gradients: Arrays) -> State:
    moved, optimizer = stepwise(task.optimizer, gradients, state.optimizer, _of(task.trained, state.parameters))
    new = _after(state, found, moved, optimizer)
    return new._replace(averages=averaged(task.train.ema, new))


def _stepped_at_once(task: Task, state: State, found: "Found", gradients: Arrays) -> State:
    allowed = state.finite & all_finite((found.loss, found.statistics))
    trained = _of(task.trained, state.parameters)
    moved, optimizer, taken = task.optimizer.step(allowed, gradients, state.optimizer, trained)
    new = _after(state, found, moved, optimizer)
    return accepted(task, taken, new, state._replace(parameters=new.parameters, optimizer=optimizer))


def _after(state: State, found: "Found", moved: Arrays, optimizer: Any) -> State:
    parameters = {**state.parameters, **moved}
    return state._replace(parameters=parameters, statistics=found.statistics, optimizer=optimizer, step=state.step + 1)


def _is_finite(task: Task, found: "Found", gradients: Arrays, new: State) -> Array:
    """Whether the loss, the gradients, and all numbers of the state after the step are finite.

    Of both gradients and weights: Lion takes the sign of an infinite gradient, and a step can overflow that began
    finite. Of moments, for Adam's can overflow where the weights do not move.
    """
    moved = _of(task.trained, new.parameters)
    return all_finite((found.loss, gradients, moved, new.statistics, new.optimizer, new.averages))


def accepted(task: Task, good: Array, new: State, old: State) -> State:
    """The state after a step: the new one where it is good; else the old one, with the step counted as skipped if that
    is allowed, or marked as not finite."""
    if old.skips is None:
        finite = old.finite & good
        return kept_unless(finite, new, old)._replace(finite=finite)
    assert task.train.skip_non_finite is not None
    skips = skipped(old.skips, good, old.step + 1)
    finite = old.finite & (skips.row <= task.train.skip_non_finite)
    passed = old._replace(step=old.step + 1)
    chosen = kept_unless(good, new, passed)._replace(skips=skips)
    return kept_unless(finite, chosen, old)._replace(finite=finite)


class Found(NamedTuple):
    """What a batch says: the total loss, its gradients, its terms, the statistics after it, sums of metrics."""

    loss: Array
    gradients: Arrays
    terms: Arrays
    statistics: Arrays
    sums: dict[str, Sum]


def gradients_of(task: Task, state: State, trained: Arrays, batch: Batch) -> Found:
    """Loss and gradients of a batch: computed at once, or in parts one after the other, as their mean.

    A part sees the statistics as the part before left them; its batch norms normalize over the part.
    """
    parts = task.train.accumulate
    if parts == 1:
        return _gradients(task, state, trained, state.statistics, batch, key_of(state))
    found: Found | None = None
    for index, part in enumerate(split_batch(batch, parts)):
        statistics = found.statistics if found else state.statistics
        # The barrier keeps the compiler from working on two parts at once, which would keep both in memory.
        trained, part, found = lax.optimization_barrier((trained, part, found))  # type: ignore[no-untyped-call]
        one = _gradients(task, state, trained, statistics, part, key_of(state, index))
        found = one if found is None else _added(found, one)
    assert found is not None
    sums = (found.loss, found.gradients, found.terms)
    loss, gradients, terms = jax.tree.map(lambda total: total / parts, sums)
    return found._replace(loss=loss, gradients=gradients, terms=terms)


def key_of(state: State, part: int | None = None) -> Array:
    """The random key of a step, or of a part of its batch."""
    key = jax.random.fold_in(jax.random.key(state.seed), state.step)
    return key if part is None else jax.random.fold_in(key, part)


def split_batch(batch: Batch, parts: int) -> list[Batch]:
    """A batch in equal parts."""
    pieces = {name: jnp.split(jnp.asarray(value), parts) for name, value in batch.items()}
    return [{name: piece[index] for name, piece in pieces.items()} for index in range(parts)]


def _added(one: Found, other: Found) -> Found:
    """Two parts added up; the statistics are the later one's."""
    total: Found = jax.tree.map(jnp.add, one, other)
    return total._replace(statistics=other.statistics)


def _gradients(task: Task, state: State, trained: Arrays, statistics: Arrays, batch: Batch, key: Array) -> Found:
    def loss_of(trained: Arrays) -> tuple[Array, Any]:
        return losses_of(task, state, {**state.parameters, **trained}, statistics, batch, key)

    (loss, (terms, after, sums)), gradients = jax.value_and_grad(loss_of, has_aux=True)(trained)
    return Found(loss, gradients, terms, after, sums)


def averaged(decay: float | None, state: State) -> Arrays:
    """The moving averages after a step, of statistics too, so that they are as old as the weights beside them.

    Source: tf.train.ExponentialMovingAverage with num_updates, as research/slim's training script uses it.
    """
    if decay is None:
        return {}
    done = updates_of(state.step, state.skips).astype(jnp.float32)
    kept = jnp.minimum(decay, (1.0 + done) / (10.0 + done))
    values = {**state.parameters, **state.statistics}
    return {name: old - (1.0 - kept) * (old - values[name]) for name, old in state.averages.items()}


def evaluated(task: Task, state: State) -> tuple[Arrays, Arrays]:
    """(parameters, statistics) that an evaluation of this state uses: the moving averages where there are any."""
    return split(task.specs, state.averages) if state.averages else (state.parameters, state.statistics)


def losses_of(
    task: Task, state: State, parameters: Arrays, statistics: Arrays, batch: Batch, key: Array
) -> tuple[Array, tuple[Arrays, Arrays, dict[str, Sum]]]:
    """(the total loss of a batch or a part of one, (its terms, the statistics after it, sums of metrics))."""
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
        step=state.step,
    )
    output, end_points = in_float32((output, end_points))
    sums = loss_sums(task.objective, output, end_points, batch)
    losses = loss_values(task.objective, sums, task.train.accumulate)
    penalty = regularization(task.specs, parameters)
    terms = {**losses, **({"regularization": penalty} if regularized(task.specs) else {})}
    listed = {f"losses/{name}": term for name, term in terms.items()} if len(terms) > 1 else {}
    metrics = metric_sums(task.objective, output, end_points, batch)
    return sum(losses.values(), start=penalty), (listed, statistics, metrics)


def in_float32(values: Any) -> Any:
    """A tree of arrays, floating-point ones cast to float32."""
    return jax.tree.map(lambda v: v.astype(jnp.float32) if jnp.issubdtype(v.dtype, jnp.floating) else v, values)


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
    output, end_points = in_float32((output, end_points))
    losses = loss_sums(task.objective, output, end_points, batch)
    return {**{f"losses/{n}": s for n, s in losses.items()}, **metric_sums(task.objective, output, end_points, batch)}


def _of(names: frozenset[str], values: Arrays) -> Arrays:
    return {n: v for n, v in values.items() if n in names}
