"""How an optimizer's step is taken: (variables, state) before to (variables, state, whether all is finite) after.

XLA writes the moments, reads them again for the variables, and all of it once more to see whether it is finite. The
native part does it in one pass, for the optimizers that it knows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from slimtrain.lazy import Array, jax, jnp, optax
from slimtrain.net.native_calls import with_target
from slimtrain.train.finite import all_finite

Arrays = dict[str, Array]
Taken = tuple[Arrays, Any, Array]


class AtOnce(NamedTuple):
    """An optax transformation, `init` and `update`, that can also take its whole step in one pass.

    `step(gradients, state, variables)` gives (the variables after it, the state after it, whether all numbers of both
    are finite); none are that come of a gradient that is not.
    """

    init: Callable[..., Any]
    update: Callable[..., Any]
    step: Callable[[Arrays, Any, Arrays], Taken]


def in_one_pass(optimizer: Any, gradients: Arrays, state: Any, variables: Arrays) -> Taken:
    """A step in one pass where the optimizer can, which leaves variables and state before it as they are."""
    if isinstance(optimizer, AtOnce):
        return optimizer.step(gradients, state, variables)
    return stepwise(optimizer, gradients, state, variables)


def stepwise(optimizer: Any, gradients: Arrays, state: Any, variables: Arrays) -> Taken:
    """A step as XLA takes it, which may write over what was before."""
    steps, state = optimizer.update(gradients, state, variables)
    variables = optax.apply_updates(variables, steps)
    return variables, state, all_finite((gradients, variables, state))


def momentum_step(
    rate: Callable[[Array], Array], momentum: float, nesterov: bool, gradients: Arrays, state: Any, variables: Arrays
) -> Taken:
    """The step of optax's `chain(trace, scale_by_learning_rate)`, its state too."""
    trace, scale = state
    factors = jnp.stack([jnp.float32(rate(scale.count)), jnp.float32(momentum)])
    arrays = [tree[name] for tree in (gradients, trace.trace, variables) for name in variables]
    *new, sound = _momentum(factors, *arrays, nesterov=nesterov)
    moments, moved = (dict(zip(variables, part, strict=True)) for part in _parts(new, 2))
    return moved, (trace._replace(trace=moments), scale._replace(count=optax.safe_increment(scale.count))), sound


def _parts(arrays: Any, count: int) -> list[Any]:
    size = len(arrays) // count
    return [arrays[part * size : (part + 1) * size] for part in range(count)]


def _momentum_plain(factors: Array, *arrays: Array, nesterov: bool) -> list[Array]:
    gradients, before, variables = _parts(arrays, 3)
    rate, momentum = ([factor.astype(v.dtype) for v in variables] for factor in factors)
    moments = [m * a + g for m, a, g in zip(momentum, before, gradients, strict=True)]
    steps = [m * a + g for m, a, g in zip(momentum, moments, gradients, strict=True)] if nesterov else moments
    moved = [v - r * step for r, v, step in zip(rate, variables, steps, strict=True)]
    return [*moments, *moved, all_finite((moments, moved))]


def _momentum_like(factors: Array, *arrays: Array, nesterov: bool) -> list[Any]:
    del factors, nesterov
    return [*arrays[len(arrays) // 3 :], jax.ShapeDtypeStruct((), bool)]  # type: ignore[no-untyped-call]


_momentum = with_target("momentum", _momentum_plain, like=_momentum_like, several=True)
