"""Functions of arrays that the native part computes where it is there, and JAX's own operations everywhere else."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from slimtrain.lazy import jax
from slimtrain.native import ready

Plain = Callable[..., Any]


def with_target(
    name: str,
    plain: Plain,
    told: Callable[..., dict[str, Any]] = dict,
    like: Plain | None = None,
    *,
    several: bool = False,
    place: int | None = None,
    any_type: bool = False,
) -> Plain:
    """`plain`, as a primitive that one CPU with the native part computes by the target `slimtrain_<name>`.

    Elsewhere, of other types than float32, mapped by `vmap` or spread over several devices it is `plain` itself. It
    has no gradient of its own: it stands inside functions that say theirs.

    Args:
        name: of the target.
        plain: takes arrays, the target's if they are of float32, and static values by name; gives one.
        told: from these values, the target's attributes: numbers and tuples of whole ones.
        like: the form of what comes out, from what goes in; by default `plain` is traced for it.
        several: it gives a list.
        place: the argument whose place the first of a list takes, the next one that of the next, as far as they are
            alike.
        any_type: the target takes arrays of any type.
    """

    @lru_cache(maxsize=1)
    def primitive() -> Any:
        return _made(name, plain, told, like or partial(_traced, plain), several, place, any_type)

    return lambda *arrays, **static: primitive().bind(*arrays, **static)


def in_use() -> bool:
    """Whether the native part computes on the default device."""
    return jax.default_backend() == "cpu" and ready()


def on_one_device(context: Any) -> bool:
    """Whether what is being lowered is not spread over several devices."""
    return bool(context.module_context.axis_context.num_devices == 1)


def attributes(numbers: dict[str, Any]) -> dict[str, Any]:
    """Numbers and tuples of whole ones as a target takes them."""
    return {name: _attribute(number) for name, number in numbers.items()}


def described(primitive: Any, plain: Plain, shaped: Callable[..., Any], lowered: Callable[..., Any]) -> None:
    """Tells JAX how a primitive is run by itself, mapped and lowered; static values come by name.

    Args:
        primitive: a new primitive.
        plain: what it is in JAX's own operations: mapped, and on all devices but CPUs.
        shaped: gives the result's abstract value.
        lowered: the lowering rule for CPUs.
    """
    from jax.interpreters import batching, mlir

    several = bool(primitive.multiple_results)

    def mapped(arrays: Any, axes: Any, /, **static: Any) -> tuple[Any, Any]:
        results = jax.vmap(lambda *a: plain(*a, **static), axes)(*arrays)
        return results, [0] * len(results) if several else 0

    primitive.def_abstract_eval(shaped)
    primitive.def_impl(lambda *arrays, **static: _alone(primitive, tuple(static.items()))(*arrays))
    batching.primitive_batchers[primitive] = mapped
    mlir.register_lowering(primitive, mlir.lower_fun(plain, multiple_results=several))
    mlir.register_lowering(primitive, lowered, platform="cpu")


def _attribute(number: Any) -> Any:
    if isinstance(number, float):
        return np.float32(number)
    return np.int64(number) if isinstance(number, int) else np.array(number, np.int64)


def _traced(plain: Plain, *arrays: Any, **static: Any) -> Any:
    """The form of what a function gives."""
    return jax.eval_shape(lambda *a: plain(*a, **static), *arrays)


def _made(
    name: str,
    plain: Plain,
    told: Callable[..., dict[str, Any]],
    like: Plain,
    several: bool,
    place: int | None,
    any_type: bool,
) -> Any:
    from jax.extend.core import Primitive
    from jax.interpreters import mlir

    otherwise = mlir.lower_fun(plain, multiple_results=several)

    def shaped(*arrays: Any, **static: Any) -> Any:
        return jax.tree.map(lambda one: jax.core.ShapedArray(one.shape, one.dtype), like(*arrays, **static))

    def lowered(context: Any, /, *arrays: Any, **static: Any) -> Any:
        fit = any_type or all(str(aval.dtype) == "float32" for aval in context.avals_in)
        if not (fit and on_one_device(context) and ready()):
            return otherwise(context, *arrays, **static)
        places = {} if place is None else _places(context.avals_in, context.avals_out, place)
        rule = jax.ffi.ffi_lowering(f"slimtrain_{name}", operand_output_aliases=places)
        return rule(context, *arrays, **attributes(told(**static)))

    made = Primitive(name)
    made.multiple_results = several
    described(made, plain, shaped, lowered)
    return made


def _places(arguments: Any, results: Any, first: int) -> dict[int, int]:
    """By argument, from the first on, the result that takes its place."""
    pairs = enumerate(zip(arguments[first:], results, strict=False))
    return {first + at: at for at, (one, other) in pairs if (one.shape, one.dtype) == (other.shape, other.dtype)}


@lru_cache(maxsize=1024)
def _alone(primitive: Any, static: tuple[tuple[str, Any], ...]) -> Any:
    """A primitive outside any compiled function."""
    return jax.jit(lambda *arrays: primitive.bind(*arrays, **dict(static)))
