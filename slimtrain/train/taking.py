"""How an optimizer's step is taken: variables and state before to variables and state after.

XLA writes the moments, reads them again for the variables, goes over all of it to see whether it is finite, and keeps
what was before until that is known. The native part, for the optimizers that it knows, first looks whether all that
would come out is finite, then writes it over what was before.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from slimtrain.lazy import Array, jax, jnp, optax
from slimtrain.net.native_calls import with_target
from slimtrain.train.finite import all_finite

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
    factors = jnp.stack([jnp.float32(rate(scale.count)), jnp.float32(momentum), jnp.where(allowed, 0.0, jnp.nan)])
    arrays = [tree[name] for tree in (trace.trace, variables, gradients) for name in variables]
    *after, taken = _momentum(factors, *arrays, nesterov=nesterov)
    moments, moved = (dict(zip(variables, part, strict=True)) for part in _parts(after, 2))
    count = jnp.where(taken, optax.safe_increment(scale.count), scale.count)
    return Taken(moved, (trace._replace(trace=moments), scale._replace(count=count)), taken)


def _parts(arrays: Any, count: int) -> list[Any]:
    size = len(arrays) // count
    return [arrays[part * size : (part + 1) * size] for part in range(count)]


def _momentum_plain(factors: Array, *arrays: Array, nesterov: bool) -> list[Array]:
    before, variables, gradients = _parts(arrays, 3)
    rate, momentum = ([factor.astype(v.dtype) for v in variables] for factor in factors[:2])
    moments = [m * a + g for m, a, g in zip(momentum, before, gradients, strict=True)]
    steps = [m * a + g for m, a, g in zip(momentum, moments, gradients, strict=True)] if nesterov else moments
    moved = [v - r * step for r, v, step in zip(rate, variables, steps, strict=True)]
    taken = all_finite((factors[2], moments, moved))
    pairs = zip([*moments, *moved], [*before, *variables], strict=True)
    return [*(jnp.where(taken, new, old) for new, old in pairs), taken]


def _momentum_like(factors: Array, *arrays: Array, nesterov: bool) -> list[Any]:
    del factors, nesterov
    return [*arrays[: 2 * len(arrays) // 3], jax.ShapeDtypeStruct((), bool)]  # type: ignore[no-untyped-call]


_momentum = with_target("momentum", _momentum_plain, like=_momentum_like, several=True, place=1)
