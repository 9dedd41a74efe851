"""How an optimizer's step is taken: variables and state before to variables and state after.

XLA writes the moments, reads them again for the variables, goes over all of it to see whether it is finite, and keeps
what was before until that is known. The native part, for the optimizers that it knows, first looks whether all that
would come out is finite, then writes it over what was before.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from slimtrain.lazy import Array, jax, jnp, optax
from slimtrain.net.native_calls import Plain, with_target
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


def stepped(target: Plain, allowed: Array, factors: Sequence[Any], *trees: Arrays) -> list[Any]:
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


def target(name: str, moments: int, rule: Callable[..., tuple[Array, ...]]) -> Plain:
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
