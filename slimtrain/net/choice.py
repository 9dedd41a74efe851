"""Which way a convolution is computed on a CPU, by its shape."""

from math import prod
from typing import Literal

from slimtrain.native import WIDEST
from slimtrain.net.geometry import Geometry

Kind = Literal["forward", "input_gradient", "weights_gradient"]
KINDS: tuple[Kind, ...] = ("forward", "input_gradient", "weights_gradient")

TAPS = 7**2
"""Taps up to which a depthwise kernel is written out, a product each: the compiler's time grows with them."""

Way = Literal["xla", "product", "shifted", "phases", "columns", "direct", "onednn", "products"]


def choose(kind: Kind, geometry: Geometry, dtype: str, native: bool) -> Way:
    """The way that a convolution or gradient takes on one CPU.

    The rules are what was fastest at shapes of the nets in `configs/`.

    Args:
        kind: which of the three.
        geometry: its shapes.
        dtype: of its values.
        native: whether the native part is there.
    """
    if dtype != "float32" or not prod(geometry.outputs):
        return "xla"
    return _native(kind, geometry) if native else _plain(kind, geometry)


def _native(kind: Kind, geometry: Geometry) -> Way:
    if geometry.pointwise:
        return _native_pointwise(kind, geometry)
    channels, outputs = geometry.weights[-2:]
    area = prod(geometry.size)
    if geometry.groups > 1 or len(geometry.size) > 2 or area < 5:
        return "onednn"
    if kind == "weights_gradient":
        return "products" if outputs % WIDEST == 0 and (channels >= 8 or area >= 49) else "onednn"
    read, written = (channels, outputs) if kind == "forward" else (outputs, channels)
    few = 8 <= read <= 16 and written % WIDEST == 0
    return "direct" if few and (kind == "forward" or not geometry.strided) else "onednn"


def _native_pointwise(kind: Kind, geometry: Geometry) -> Way:
    """oneDNN puts the weights in its own order in each call: the more there are, the more it is behind."""
    if prod(geometry.weights) >= 2**19:
        return "product"
    many = prod(geometry.weights) >= 2**16 and geometry.weights[-1] % WIDEST == 0 and len(geometry.size) <= 2
    return "products" if kind == "weights_gradient" and many else "onednn"


def _plain(kind: Kind, geometry: Geometry) -> Way:
    if geometry.pointwise:
        return "product"
    if geometry.depthwise and prod(geometry.size) <= TAPS:
        return "shifted"
    if geometry.groups == 1 and kind == "weights_gradient" and _in_columns(geometry):
        return "columns"
    if geometry.groups == 1 and kind == "input_gradient" and _in_phases(geometry):
        return "phases"
    return "xla"


def _in_columns(geometry: Geometry) -> bool:
    """Where XLA's kernel, as large as a picture, costs more than a product a tap or row of taps."""
    channels, outputs = geometry.weights[-2:]
    taps, rank = prod(geometry.size), len(geometry.size)
    if channels <= 3:
        return taps <= 7**3
    most = 3**3 if channels >= 16 else 3**rank
    return rank > 1 and taps <= most and channels >= 8 and outputs >= 16


def _in_phases(geometry: Geometry) -> bool:
    """Where XLA puts its products together on one core, or in three dimensions has no product at all."""
    channels, outputs = geometry.weights[-2:]
    if len(geometry.size) == 3:
        return geometry.strided
    wide = len(geometry.size) == 2 and channels >= 16 and outputs <= 64
    return wide and max(geometry.stride) == 2 and min(geometry.size) > 2
