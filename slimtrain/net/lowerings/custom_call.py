"""A convolution as a custom call into the native part."""

from functools import partial
from typing import Any

from slimtrain.lazy import jax
from slimtrain.net.choice import Kind, Way
from slimtrain.net.geometry import Geometry
from slimtrain.net.native_calls import attributes

TARGETS: tuple[Way, ...] = ("direct", "onednn", "products", "winograd")
"""The ways that the native part computes; not each of them all three kinds."""
ENDED: tuple[Way, ...] = ("onednn", "winograd")
"""Those that add biases and hold the sums between bounds in one go."""


def rule(kind: Kind, way: Way) -> Any:
    """JAX's lowering rule of a native way; its targets have to be registered."""
    call = jax.ffi.ffi_lowering(f"slimtrain_{way}_{kind}")

    def lowered(context: Any, first: Any, second: Any, *, geometry: Geometry) -> Any:
        return call(context, first, second, **_told(geometry))

    return lowered


def ended(way: Way, geometry: Geometry, low: float, high: float) -> Any:
    """JAX's lowering rule of a convolution by one of `ENDED` with biases, held between two bounds."""
    call = jax.ffi.ffi_lowering(f"slimtrain_{way}_ended")
    return partial(call, **_told(geometry), **attributes({"low": low, "high": high}))


def _told(geometry: Geometry) -> dict[str, Any]:
    before, after = zip(*geometry.padding, strict=True)
    steps = {"stride": geometry.stride, "rate": geometry.rate, "before": before, "after": after}
    return attributes({"groups": geometry.groups, **steps})
