"""How pools are computed: one door each, so that a faster way changes nothing else.

XLA's windows are made for accelerators. On CPUs they are slow, and the gradient of the largest value, which selects
and scatters one window at a time, takes ten times as long as it needs to: there pools are computed tap by tap.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from math import prod
from typing import Any

import numpy as np

from slimtrain.lazy import Array, jax, jnp, lax
from slimtrain.net.lowering import channels_back, channels_last
from slimtrain.net.native_calls import with_target
from slimtrain.net.windows import Axes, cut, over_space, spread, taps, windows

Function = Callable[..., Any]
MOST = 64
"""Elements of a window above which XLA's way is taken everywhere: the program tap by tap grows with them."""


def max_pool(
    inputs: Array,
    size: Sequence[int],
    stride: Sequence[int],
    padding: str,
    data_format: str,
    rate: Sequence[int] | None = None,
) -> Array:
    """The largest value of each window; of equal ones the first has the gradient, as in TensorFlow.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space] where `data_format` starts with NC.
        size: elements of a window, one number a spatial dimension.
        stride: from window to window.
        padding: SAME or VALID.
        data_format: NHWC, NCHW and so on.
        rate: from element to element; above 1 with VALID and a stride of 1 only.
    """
    last = channels_last(inputs, data_format)
    form = "N" + "W" * len(size) + "C"
    axes = windows(last.shape, size, stride, padding, form, rate)
    whole = partial(_windowed, lax.max, -jnp.inf, size, stride, padding, form)
    either = partial(_either, axes)

    def forward(inputs: Array) -> Array:
        return either(_largest, whole, inputs)

    def of_whole(inputs: Array, outputs: Array, gradient: Array) -> Array:
        return jax.vjp(whole, inputs)[1](gradient)[0]  # type: ignore[no-any-return]

    def backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array]:
        return (either(_to_first, of_whole, *kept, gradient),)

    pool = _differentiated(forward, lambda inputs, outputs: (inputs, outputs), backward)
    return channels_back(pool(last), data_format)


def avg_pool(
    inputs: Array,
    size: Sequence[int],
    stride: Sequence[int],
    padding: str,
    data_format: str,
    rate: Sequence[int] | None = None,
) -> Array:
    """The mean of each window; padding is not counted. Takes what max_pool takes."""
    axes = windows(inputs.shape, size, stride, padding, data_format, rate)
    whole = partial(_windowed, lax.add, 0.0, size, stride, padding, data_format)
    seen = reduce(np.multiply.outer, [axis.seen().astype(np.float32) for axis in axes]).astype(inputs.dtype)
    like = jax.ShapeDtypeStruct(inputs.shape, inputs.dtype)  # type: ignore[no-untyped-call]

    def forward(inputs: Array) -> Array:
        return _either(axes, _sum, whole, inputs) / seen

    def of_whole(gradient: Array) -> Array:
        return jax.linear_transpose(whole, like)(gradient)[0]  # type: ignore[no-any-return]

    def backward(kept: None, gradient: Array) -> tuple[Array]:
        return (_either(axes, spread, of_whole, gradient / seen),)

    pool = _differentiated(forward, lambda inputs, outputs: None, backward)
    return pool(inputs)  # type: ignore[no-any-return]


def _differentiated(forward: Function, keep: Function, backward: Function) -> Function:
    """`forward`, whose gradient `backward` computes of what `keep` keeps of its inputs and outputs."""

    def kept(inputs: Array) -> tuple[Array, Any]:
        outputs = forward(inputs)
        return outputs, keep(inputs, outputs)

    function = jax.custom_vjp(forward)
    function.defvjp(kept, backward)
    return function


def _either(axes: Axes, tapped: Function, whole: Function, *operands: Array) -> Array:
    """`tapped`, given the windows, on CPUs and where XLA has no gradient for gaps; else `whole`."""
    if _gaps(axes):
        return tapped(axes, *operands)  # type: ignore[no-any-return]
    if prod(axis.size for axis in axes) > MOST:
        return whole(*operands)  # type: ignore[no-any-return]
    return lax.platform_dependent(*operands, cpu=partial(tapped, axes), default=whole)  # type: ignore[no-any-return]


def _windowed(
    join: Function, start: float, size: Sequence[int], stride: Sequence[int], padding: str, form: str, inputs: Array
) -> Array:
    spans = over_space(size, form), over_space(stride, form)
    return lax.reduce_window(inputs, start, join, *spans, padding)  # type: ignore[no-any-return]


def _largest(axes: Axes, inputs: Array) -> Array:
    return _by_taps(inputs, axes=axes) if _gaps(axes) else _max(inputs, axes=axes)


def _to_first(axes: Axes, inputs: Array, outputs: Array, gradient: Array) -> Array:
    """Each window's gradient, given to the first of its largest inputs."""
    way = _spread_by_taps if _gaps(axes) else _max_gradient
    return way(inputs, outputs, gradient, axes=axes)


def _gaps(axes: Axes) -> bool:
    return any(axis.rate > 1 for axis in axes)


def _by_taps(inputs: Array, *, axes: Axes) -> Array:
    floating = jnp.issubdtype(inputs.dtype, jnp.floating)
    least = -np.inf if floating else np.iinfo(inputs.dtype).min
    parts = (tap.placed(cut(inputs, tap.inputs), axes, least) for tap in taps(axes))
    return reduce(lax.max, parts)


def _spread_by_taps(inputs: Array, outputs: Array, gradient: Array, *, axes: Axes) -> Array:
    return spread(axes, gradient, _first(axes, inputs, outputs))


def _told(axes: Axes) -> dict[str, tuple[int, ...]]:
    """The windows as the native part takes them, over space."""
    space = axes[1:-1]
    return {name: tuple(getattr(axis, name) for axis in space) for name in ("size", "stride", "before")}


_max = with_target("max_pool", _by_taps, _told)
_max_gradient = with_target("max_pool_gradient", _spread_by_taps, _told)


def _sum(axes: Axes, inputs: Array) -> Array:
    wide = jnp.promote_types(inputs.dtype, jnp.float32)
    parts = (tap.placed(cut(inputs, tap.inputs).astype(wide), axes, 0.0) for tap in taps(axes))
    return reduce(lax.add, parts).astype(inputs.dtype)


def _first(axes: Axes, inputs: Array, outputs: Array) -> Array:
    """The number of each window's first element that is the largest; in a window with a NaN, of its first element."""
    numbers = list(taps(axes))
    kind = np.min_scalar_type(prod(axis.size for axis in axes) + 1)
    found = jnp.full(outputs.shape, numbers[-1].number, kind)
    for tap in reversed(numbers):
        smaller = cut(inputs, tap.inputs) < cut(outputs, tap.windows)
        found = jnp.where(tap.placed(smaller, axes, True), found, np.asarray(tap.number, kind))
    return found
