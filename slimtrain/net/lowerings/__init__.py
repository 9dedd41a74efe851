"""The ways to compute a convolution and its two gradients. All give the same numbers up to rounding."""

from collections.abc import Callable, Mapping

from slimtrain.lazy import Array
from slimtrain.net.choice import Kind, Way
from slimtrain.net.geometry import Geometry
from slimtrain.net.lowerings import xla

Computed = Callable[[Array, Array, Geometry], Array]

WAYS: Mapping[Way, Mapping[Kind, Computed]] = {"xla": xla.WAYS}
"""By the way's name and what it computes: a function of the two arrays and the geometry, in JAX's own operations."""
