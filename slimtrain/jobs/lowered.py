"""Which way each convolution of a train step takes, as it is lowered on this machine."""

import re
from collections.abc import Iterator
from typing import Any

from slimtrain.lazy import jax
from slimtrain.net.bilinear import chosen, kind_of
from slimtrain.net.choice import KINDS
from slimtrain.net.ended import is_ended

_INMOST = re.compile(r"\(([^()]*)\)")
Found = tuple[str, Any]


def ways(step: Any, *arguments: Any) -> dict[str, str]:
    """By layer, the ways of its convolution: one word where all are the same, else forward/input/weights.

    Args:
        step: a function that JAX can trace.
        arguments: what it takes; they may be abstract.
    """
    layers: dict[str, dict[str, str]] = {}
    for path, equation in _equations(jax.make_jaxpr(step)(*arguments).jaxpr, ""):
        kind = "forward" if is_ended(equation.primitive) else kind_of(equation.primitive)
        if kind is not None:
            dtype = str(equation.invars[0].aval.dtype)
            on_cpu = jax.default_backend() == "cpu"
            way = chosen(kind, equation.params["geometry"], dtype) if on_cpu else "xla"
            layers.setdefault(path, {})[kind] = way
    return {path: _told(found) for path, found in layers.items()}


def _told(found: dict[str, str]) -> str:
    return "/".join(found.get(kind, "-") for kind in KINDS) if len(set(found.values())) > 1 else min(found.values())


def _equations(jaxpr: Any, above: str) -> Iterator[Found]:
    """All equations of a program and of those inside it, each with the path of its layer."""
    for equation in jaxpr.eqns:
        own = _path(str(equation.source_info.name_stack))
        path = f"{above}/{own}".strip("/")  # a program inside a program says only its own part
        yield path, equation
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=_program):
            if _program(value):
                yield from _equations(getattr(value, "jaxpr", value), path)


def _program(value: Any) -> bool:
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def _path(stack: str) -> str:
    """`transpose(jvp(LeNet/conv1))` without what transformations put around it; of several, the last."""
    return str((_INMOST.findall(stack) or [stack])[-1])
