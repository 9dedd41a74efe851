"""Which way a convolution is computed on a CPU, by its shape."""

from math import prod
from typing import Literal

from slimtrain.native import WIDEST
from slimtrain.net.geometry import Geometry

Kind = Literal["forward", "input_gradient", "weights_gradient"]
KINDS: tuple[Kind, ...] = ("forward", "input_gradient", "weights_gradient")

TAPS = 7**2
"""Taps up to which a depthwise kernel is written out, a product each: the compiler's time grows with them."""

Way = Literal["xla", "product", "shifted", "phases", "columns", "direct", "onednn", "products", "winograd"]


def choose(kind: Kind, geometry: Geometry, dtype: str, lanes: int) -> Way:
    """The way that a convolution or gradient takes on one CPU.

    The rules are what was fastest at shapes of the nets in `configs/`, on a Zen 3 and, in vectors of 16, an Emerald
    Rapids; Winograd's were timed on the Zen 3 only.

    Args:
        kind: which of the three.
        geometry: its shapes.
        dtype: of its values.
        lanes: floats in a vector of the native part; 0 where it is not there.
    """
    if dtype != "float32" or not prod(geometry.outputs):
        return "xla"
    return _native(kind, geometry, lanes) if lanes else _plain(kind, geometry)


def _native(kind: Kind, geometry: Geometry, lanes: int) -> Way:
    if geometry.pointwise:
        return _native_pointwise(kind, geometry, lanes)
    if _in_tiles(kind, geometry):
        return "winograd"
    channels, outputs = geometry.weights[-2:]
    read, written = (outputs, channels) if kind == "input_gradient" else (channels, outputs)
    if geometry.groups > 1 or len(geometry.size) > 2 or prod(geometry.size) < 5 or written % WIDEST:
        return "onednn"
    few, large, strided = 8 <= read <= 16, prod(geometry.size) >= 49, geometry.strided
    if kind == "weights_gradient":
        wide = read >= 8 or (read >= 2 and written >= 32)
        return "products" if large or (wide and lanes < WIDEST) else "onednn"
    if lanes < WIDEST:
        return "direct" if few and (kind == "forward" or not strided) else "onednn"
    return "direct" if (few or large) and strided and kind == "forward" else "onednn"


def _in_tiles(kind: Kind, geometry: Geometry) -> bool:
    """Where Winograd's tiles, 36 products each, halve the products, and weights are not many beside them.

    At an edge a tile may stand out over the outputs; transforming the weights costs as much as some tiles.
    """
    channels, outputs = geometry.weights[-2:]
    plain = geometry.groups == 1 and not geometry.strided and set(geometry.rate) == {1}
    if geometry.size not in ((3, 3), (5, 5)) or not plain or channels % WIDEST or outputs % WIDEST:
        return False
    batch, *written = (geometry.inputs if kind == "input_gradient" else geometry.outputs)[:-1]
    tiles = prod(-(-length // (7 - geometry.size[0])) for length in written)
    halved = 2 * 36 * tiles <= prod(geometry.size) * prod(written)
    return halved and channels * outputs <= 2**14 * batch * tiles


def _native_pointwise(kind: Kind, geometry: Geometry, lanes: int) -> Way:
    """oneDNN puts the weights in its own order in each call: the more there are, the more it is behind."""
    if prod(geometry.weights) >= 2**19:
        return "product"
    many = prod(geometry.weights) >= 2**16 and geometry.weights[-1] % WIDEST == 0 and len(geometry.size) <= 2
    return "products" if kind == "weights_gradient" and many and lanes < WIDEST else "onednn"


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
