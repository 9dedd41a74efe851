"""Local response normalization, and its gradient as an operation of its own.

XLA goes over the values a dozen times for the two; the native part once for each.
"""

from functools import partial
from typing import Any

from slimtrain.lazy import Array, jax, jnp, lax
from slimtrain.net.native_calls import with_target

ROOTS = (0.5, 0.75)
"""Exponents that square roots make, which CPUs have an instruction for."""


def local_response(inputs: Array, radius: int, bias: float, alpha: float, beta: float) -> Array:
    """x / (bias + alpha * sum of squares over channels) ^ beta, the sum over `radius` channels on each side.

    Args:
        inputs: [..., channels].
        radius: neighbours on each side, 0 or more.
        bias: added to the sum, above 0.
        alpha: factor on the sum, 0 or more.
        beta: exponent, 0 or more.

    Returns:
        The inputs' shape.
    """
    given: dict[str, Any] = {"radius": radius, "bias": float(bias), "alpha": float(alpha), "beta": float(beta)}
    forward, backward = (_response, _gradient) if beta in ROOTS else (_plain, _plain_gradient)
    function = jax.custom_vjp(partial(forward, **given))

    def kept(inputs: Array) -> tuple[Array, Array]:
        return forward(inputs, **given), inputs

    def back(inputs: Array, gradient: Array) -> tuple[Array]:
        return (backward(inputs, gradient, **given),)

    function.defvjp(kept, back)
    return function(inputs)  # type: ignore[no-any-return]


def _plain(inputs: Array, *, radius: int, bias: float, alpha: float, beta: float) -> Array:
    return inputs * _to_minus(_base(inputs, radius, bias, alpha), beta)


def _plain_gradient(inputs: Array, gradient: Array, *, radius: int, bias: float, alpha: float, beta: float) -> Array:
    base = _base(inputs, radius, bias, alpha)
    power = _to_minus(base, beta)
    return gradient * power - 2 * alpha * beta * inputs * _around(gradient * inputs * power / base, radius)


def _base(inputs: Array, radius: int, bias: float, alpha: float) -> Array:
    return bias + alpha * _around(jnp.square(inputs), radius)


def _around(values: Array, radius: int) -> Array:
    """The sum over each channel's neighbours and itself."""
    ones = (1,) * (values.ndim - 1)
    reach = [(0, 0)] * (values.ndim - 1) + [(radius, radius)]
    zero = jnp.zeros((), values.dtype)
    window = (*ones, 2 * radius + 1)
    return lax.reduce_window(values, zero, lax.add, window, (1,) * values.ndim, reach)  # type: ignore[no-any-return]


def _to_minus(base: Array, beta: float) -> Array:
    """base to the power of -beta."""
    if beta == 0.5:
        return lax.rsqrt(base)
    if beta == 0.75:
        return lax.rsqrt(base * jnp.sqrt(base))
    return jnp.power(base, -beta)


def _told(radius: int, bias: float, alpha: float, beta: float) -> dict[str, Any]:
    return {"radius": radius, "bias": bias, "alpha": alpha, "quarters": round(4 * beta)}


_response = with_target("response", _plain, _told)
_gradient = with_target("response_gradient", _plain_gradient, _told)
