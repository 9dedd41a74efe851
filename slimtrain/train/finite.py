"""Whether numbers are finite, which every step asks of all that it would write, and what becomes of them.

XLA would go over the new state and the old one once more to choose between them. The native part asks in one pass over
the new one, and writes only where it is refused.
"""

from typing import Any, TypeVar

from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.native_calls import with_target

Tree = TypeVar("Tree")


def all_finite(values: Any) -> Array:
    """Whether every number of a tree is finite, as one boolean; whole numbers are."""
    floats = [jnp.asarray(v) for v in jax.tree.leaves(values) if jnp.issubdtype(jnp.result_type(v), jnp.inexact)]
    single = [value for value in floats if value.dtype == jnp.float32]
    others = [value for value in floats if value.dtype != jnp.float32]
    return _each_finite(*others) & _of_float32(*single)  # type: ignore[no-any-return]


def _each_finite(*arrays: Array) -> Array:
    return jnp.all(jnp.stack([jnp.bool_(True), *(jnp.all(jnp.isfinite(array)) for array in arrays)]))


def _one_boolean(*_: Array) -> Any:
    return jax.ShapeDtypeStruct((), bool)  # type: ignore[no-untyped-call]


_of_float32 = with_target("all_finite", _each_finite, like=_one_boolean)


def kept_unless(good: Array, new: Tree, old: Tree) -> Tree:
    """All of `new` where `good`, else all of `old`, a tree of the same form."""
    arrays, form = jax.tree.flatten(new)
    others = jax.tree.leaves(old)
    changed = [place for place, (one, other) in enumerate(zip(arrays, others, strict=True)) if one is not other]
    chosen = _kept_unless(good, *(arrays[place] for place in changed), *(others[place] for place in changed))
    for place, array in zip(changed, chosen, strict=True):
        arrays[place] = array
    return jax.tree.unflatten(form, arrays)  # type: ignore[no-any-return]


def _chosen(good: Array, *arrays: Array) -> list[Array]:
    half = len(arrays) // 2
    return [jnp.where(good, new, old) for new, old in zip(arrays[:half], arrays[half:], strict=True)]


def _half(_: Array, *arrays: Array) -> list[Array]:
    return list(arrays[: len(arrays) // 2])


_kept_unless = with_target("kept_unless", _chosen, like=_half, several=True, place=1, any_type=True)
