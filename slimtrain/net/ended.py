"""A convolution with its biases and a relu behind it in one go, on CPUs where oneDNN or Winograd's tiles compute it.

Its outputs are ended some at a time, while they are in the cache. Elsewhere it is a convolution, a sum and a
clip.
"""

from collections.abc import Callable
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

from slimtrain.lazy import Array, jax, jnp
from slimtrain.net import bilinear
from slimtrain.net.geometry import Geometry
from slimtrain.net.lowerings import custom_call
from slimtrain.net.native_calls import described, on_one_device
from slimtrain.net.sums import channel_sums


class Bounds(NamedTuple):
    """What an activation holds values between, where that is all that it does."""

    low: float
    high: float


def ended(inputs: Array, weights: Array, biases: Array, geometry: Geometry, bounds: Bounds) -> Array:
    """The outputs of a convolution plus biases [out], held between bounds; at a bound there is no gradient."""
    return _differentiated(geometry, bounds)(inputs, weights, biases)


def is_ended(primitive: Any) -> bool:
    """Whether a primitive is this one."""
    return primitive is _primitive()


def _differentiated(geometry: Geometry, bounds: Bounds) -> Callable[..., Array]:
    def forward(inputs: Array, weights: Array, biases: Array) -> tuple[Array, Any]:
        outputs = _primitive().bind(inputs, weights, biases, geometry=geometry, bounds=bounds)
        return outputs, (inputs, weights, outputs)

    def backward(kept: Any, gradient: Array) -> tuple[Array, Array, Array]:
        inputs, weights, outputs = kept
        free = outputs > bounds.low if bounds.high == inf else (outputs > bounds.low) & (outputs < bounds.high)
        passed = jnp.where(free, gradient, 0)
        of_inputs = bilinear.input_gradient(passed, weights, geometry)
        return of_inputs, bilinear.weights_gradient(inputs, passed, geometry), channel_sums(passed)

    function = jax.custom_vjp(lambda *given: forward(*given)[0])
    function.defvjp(forward, backward)
    return function


def _plain(inputs: Array, weights: Array, biases: Array, *, geometry: Geometry, bounds: Bounds) -> Array:
    return jnp.clip(bilinear.forward(inputs, weights, geometry) + biases, *bounds)


@lru_cache(maxsize=1)
def _primitive() -> Any:
    from jax.extend.core import Primitive
    from jax.interpreters import mlir

    otherwise = mlir.lower_fun(_plain, multiple_results=False)

    def shaped(inputs: Any, weights: Any, biases: Any, *, geometry: Geometry, bounds: Bounds) -> Any:
        return jax.core.ShapedArray(geometry.outputs, inputs.dtype)

    def lowered(context: Any, *arguments: Any, geometry: Geometry, bounds: Bounds) -> Any:
        dtype = str(context.avals_in[0].dtype)
        way = bilinear.chosen("forward", geometry, dtype) if on_one_device(context) else None
        if way not in custom_call.ENDED:
            return otherwise(context, *arguments, geometry=geometry, bounds=bounds)
        return custom_call.ended(way, geometry, *bounds)(context, *arguments)

    made = Primitive("convolution_ended")
    described(made, _plain, shaped, lowered)
    return made
