"""A convolution as a custom call into the native part."""

from typing import Any

from slimtrain.lazy import jax
from slimtrain.net.choice import Kind, Way
from slimtrain.net.geometry import Geometry
from slimtrain.net.native_calls import attributes

TARGETS: tuple[Way, ...] = ("direct", "onednn", "products")
"""The ways that the native part computes; not each of them all three kinds."""


def rule(kind: Kind, way: Way) -> Any:
    """JAX's lowering rule of a native way; its targets have to be registered."""
    call = jax.ffi.ffi_lowering(f"slimtrain_{way}_{kind}")

    def lowered(context: Any, first: Any, second: Any, *, geometry: Geometry) -> Any:
        before, after = zip(*geometry.padding, strict=True)
        steps = {"stride": geometry.stride, "rate": geometry.rate, "before": before, "after": after}
        return call(context, first, second, **attributes({"groups": geometry.groups, **steps}))

    return lowered
