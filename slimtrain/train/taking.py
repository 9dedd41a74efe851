"""How an optimizer's step is taken: variables and state before to variables and state after.

XLA writes the moments, reads them again for the variables, goes over all of it to see whether it is finite, and keeps
what was before until that is known. The native part, for the optimizers that it knows, first looks whether all that
would come out is finite, then writes it over what was before.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from slimtrain.lazy import Array, jax, jnp, optax
from slimtrain.net.native_calls import Plain, with_target
from slimtrain.train.finite import all_finite
from slimtrain.train.tf1 import adam_factors, adam_moved

Arrays = dict[str, Array]


class Taken(NamedTuple):
    """Variables and optimizer's state after a step, or as they were before it where it was not `taken`."""

    variables: Arrays
    state: Any
    taken: Array


class AtOnce(NamedTuple):
    """An optax transformation, `init` and `update`, that can also take its whole step or leave it.

    `step(allowed, gradients, state, variables)` takes it where it is `allowed`, a boolean, and all numbers that come of
    it are finite; none are that come of a gradient that is not.
    """

    init: Callable[..., Any]
    update: Callable[..., Any]
    step: Callable[[Array, Arrays, Any, Arrays], Taken]


def stepwise(optimizer: Any, gradients: Arrays, state: Any, variables: Arrays) -> tuple[Arrays, Any]:
    """(variables, state) after a step, whether or not they are finite."""
    steps, state = optimizer.update(gradients, state, variables)
    return optax.apply_updates(variables, steps), state


def sgd_step(rate: Callable[[Array], Array], allowed: Array, gradients: Arrays, state: Any, variables: Arrays) -> Taken:
    """The step of optax's `scale_by_learning_rate`, its state too."""
    moved, taken = _at_once(_sgd, allowed, [rate(state.count)], variables, gradients)
    return Taken(moved, _counted(state, taken), taken)


def momentum_step(
    rate: Callable[[Array], Array],
    momentum: float,
    nesterov: bool,
    allowed: Array,
    gradients: Arrays,
    state: Any,
    variables: Arrays,
) -> Taken:
    """The step of optax's `chain(trace, scale_by_learning_rate)`, its state too."""
    trace, scale = state
    target = partial(_momentum, nesterov=nesterov)
    factors = [rate(scale.count), momentum]
    moments, moved, taken = _at_once(target, allowed, factors, trace.trace, variables, gradients)
    return Taken(moved, (trace._replace(trace=moments), _counted(scale, taken)), taken)


def adam_step(
    rate: Callable[[Array], Array],
    beta1: float,
    beta2: float,
    epsilon: float,
    allowed: Array,
    gradients: Arrays,
    state: Any,
    variables: Arrays,
) -> Taken:
    """The step of `chain(scale_by_tf_adam, scale_by_learning_rate)`, its state too."""
    adam, scale = state
    done = adam.steps + 1
    factors = [rate(scale.count), *adam_factors(beta1, beta2, epsilon, done)]
    mean, square, moved, taken = _at_once(_adam, allowed, factors, adam.mean, adam.square, variables, gradients)
    adam = adam._replace(steps=jnp.where(taken, done, adam.steps), mean=mean, square=square)
    return Taken(moved, (adam, _counted(scale, taken)), taken)


def _counted(scale: Any, taken: Array) -> Any:
    return scale._replace(count=jnp.where(taken, optax.safe_increment(scale.count), scale.count))


def _at_once(target: Plain, allowed: Array, factors: Sequence[Any], *trees: Arrays) -> list[Any]:
    """The trees but the last, of gradients, after a step of a target, or as they were; and whether it was taken."""
    *written, gradients = trees
    names = list(gradients)
    guard = jnp.where(allowed, 0.0, jnp.nan)
    stacked = jnp.stack([guard, *(jnp.asarray(factor, jnp.float32) for factor in factors)])
    *after, taken = target(stacked, *(tree[name] for tree in trees for name in names))
    return [*(dict(zip(names, part, strict=True)) for part in _parts(after, len(written))), taken]


def _parts(arrays: Any, count: int) -> list[Any]:
    size = len(arrays) // count
    return [arrays[part * size : (part + 1) * size] for part in range(count)]


def _target(name: str, moments: int, rule: Callable[..., tuple[Array, ...]]) -> Plain:
    """A rule, (factors, gradient, *moments, value) -> (*moments, value), over all variables: taken or left.

    What it gives takes (0 or NaN and the factors, the moments kind by kind, the values, the gradients) and gives
    moments, values and whether the step was taken.
    """

    def plain(factors: Array, *arrays: Array, **static: Any) -> list[Array]:
        *before, gradients = _parts(arrays, moments + 2)

        def one(gradient: Array, *before: Array) -> tuple[Array, ...]:
            return rule([factor.astype(gradient.dtype) for factor in factors[1:]], gradient, *before, **static)

        moved = list(map(one, gradients, *before))
        after = [new[part] for part in range(moments + 1) for new in moved]
        taken = all_finite((factors[0], after))
        pairs = zip(after, arrays[: len(after)], strict=True)
        return [*(jnp.where(taken, new, old) for new, old in pairs), taken]

    def like(factors: Array, *arrays: Array, **static: Any) -> list[Any]:
        del factors, static
        written = len(arrays) // (moments + 2) * (moments + 1)
        return [*arrays[:written], jax.ShapeDtypeStruct((), bool)]  # type: ignore[no-untyped-call]

    return with_target(name, plain, like=like, several=True, place=1)


def _sgd_rule(factors: Sequence[Array], gradient: Array, value: Array) -> tuple[Array, ...]:
    [rate] = factors
    return (value - gradient * rate,)


def _momentum_rule(
    factors: Sequence[Array], gradient: Array, moment: Array, value: Array, *, nesterov: bool
) -> tuple[Array, ...]:
    rate, momentum = factors
    moment = momentum * moment + gradient
    return moment, value - rate * (momentum * moment + gradient if nesterov else moment)


def _adam_rule(
    factors: Sequence[Array], gradient: Array, mean: Array, square: Array, value: Array
) -> tuple[Array, ...]:
    rate, *others = factors
    mean, square, step = adam_moved(others, gradient, mean, square)
    return mean, square, value - rate * step


_sgd = _target("sgd", 0, _sgd_rule)
_momentum = _target("momentum", 1, _momentum_rule)
_adam = _target("adam", 2, _adam_rule)
