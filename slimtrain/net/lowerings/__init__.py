"""The ways to compute a convolution and its two gradients. All give the same numbers up to rounding."""

from collections.abc import Callable, Mapping
from types import ModuleType

from slimtrain.lazy import Array
from slimtrain.net.choice import KINDS, Kind, Way
from slimtrain.net.geometry import Geometry
from slimtrain.net.lowerings import columns, phases, product, shifted, xla

Computed = Callable[[Array, Array, Geometry], Array]


def _computed(way: ModuleType) -> Mapping[Kind, Computed]:
    return {kind: getattr(way, kind) for kind in KINDS if hasattr(way, kind)}


WAYS: Mapping[Way, Mapping[Kind, Computed]] = {
    "xla": _computed(xla),
    "product": _computed(product),
    "shifted": _computed(shifted),
    "phases": _computed(phases),
    "columns": _computed(columns),
}
"""By the way's name and what it computes: a function of the two arrays and the geometry, in JAX's own operations.

Only XLA's takes every shape: `product` is for pointwise convolutions, `shifted` for depthwise ones, `columns` for those
of one group.
"""
