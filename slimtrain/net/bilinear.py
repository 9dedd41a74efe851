"""A convolution and its two gradients as primitives of JAX, so that each is computed as suits its shape and device.

Each is linear in both of its arguments, and its gradients are the two others, to any order. Which way one takes is
chosen when it is lowered: only then is the device known. Mapped by `vmap`, or spread over several devices by `jit`,
it is XLA's own convolution.
"""

from functools import lru_cache
from typing import Any

from slimtrain.lazy import Array, jax
from slimtrain.native import lanes
from slimtrain.net.choice import KINDS, Kind, Way, choose
from slimtrain.net.geometry import Geometry, Shape
from slimtrain.net.lowerings import WAYS, custom_call
from slimtrain.net.native_calls import described, on_one_device


def forward(inputs: Array, weights: Array, geometry: Geometry) -> Array:
    """The outputs of a convolution."""
    return _bind("forward", inputs, weights, geometry)


def input_gradient(outputs: Array, weights: Array, geometry: Geometry) -> Array:
    """The gradient of a convolution by its inputs, from the gradient by its outputs."""
    return _bind("input_gradient", outputs, weights, geometry)


def weights_gradient(inputs: Array, outputs: Array, geometry: Geometry) -> Array:
    """The gradient of a convolution by its weights, from its inputs and the gradient by its outputs."""
    return _bind("weights_gradient", inputs, outputs, geometry)


def chosen(kind: Kind, geometry: Geometry, dtype: str) -> Way:
    """The way that one of the three takes on one CPU of this machine."""
    return choose(kind, geometry, dtype, lanes())


def kind_of(primitive: Any) -> Kind | None:
    """Which of the three a primitive is, or None."""
    return next((kind for kind in KINDS if primitive is _primitives()[kind]), None)


def _bind(kind: Kind, first: Array, second: Array, geometry: Geometry) -> Array:
    return _primitives()[kind].bind(first, second, geometry=geometry)  # type: ignore[no-any-return]


def _result(kind: Kind, geometry: Geometry) -> Shape:
    return {
        "forward": geometry.outputs,
        "input_gradient": geometry.inputs,
        "weights_gradient": geometry.weights,
    }[kind]


@lru_cache(maxsize=1)
def _primitives() -> dict[Kind, Any]:
    from jax.extend.core import Primitive

    made: dict[Kind, Any] = {kind: Primitive(f"convolution_{kind}") for kind in KINDS}
    for kind, primitive in made.items():
        _described(kind, primitive)
    _linear(made)
    return made


def _computed(kind: Kind, way: Way) -> Any:
    """A way as a function of the two arrays, in JAX's own operations."""
    return lambda first, second, *, geometry: WAYS[way][kind](first, second, geometry)


def _described(kind: Kind, primitive: Any) -> None:
    def shaped(first: Any, second: Any, *, geometry: Geometry) -> Any:
        return jax.core.ShapedArray(_result(kind, geometry), first.dtype)

    def lowered(context: Any, *arguments: Any, geometry: Geometry) -> Any:
        way = chosen(kind, geometry, str(context.avals_in[0].dtype)) if on_one_device(context) else "xla"
        return _rule(kind, way)(context, *arguments, geometry=geometry)

    described(primitive, _computed(kind, "xla"), shaped, lowered)


def _rule(kind: Kind, way: Way) -> Any:
    """JAX's lowering rule of a way."""
    from jax.interpreters import mlir

    if way in custom_call.TARGETS:
        return custom_call.rule(kind, way)
    return mlir.lower_fun(_computed(kind, way), multiple_results=False)


def _linear(made: dict[Kind, Any]) -> None:
    """Tells JAX the gradients, each by the first and by the second argument."""
    from jax.interpreters import ad

    def rules(kind: Kind, by_first: Any, by_second: Any) -> None:
        ad.defbilinear(  # type: ignore[no-untyped-call]
            made[kind],
            lambda ct, _, second, *, geometry: by_first(ct, second, geometry),
            lambda ct, first, _, *, geometry: by_second(ct, first, geometry),
        )

    rules("forward", input_gradient, lambda ct, inputs, g: weights_gradient(inputs, ct, g))
    rules("input_gradient", forward, weights_gradient)
    rules(
        "weights_gradient",
        lambda ct, outputs, g: input_gradient(outputs, ct, g),
        lambda ct, inputs, g: forward(inputs, ct, g),
    )
