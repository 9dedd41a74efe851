"""Which way a convolution is computed on a CPU, by its shape."""

from math import prod
from typing import Literal

from slimtrain.net.geometry import Geometry

Kind = Literal["forward", "input_gradient", "weights_gradient"]
KINDS: tuple[Kind, ...] = ("forward", "input_gradient", "weights_gradient")

WIDEST = 16
"""Floats in the widest vectors of a CPU: the native part's own kernels write whole ones."""

Way = Literal["xla", "product", "shifted", "phases", "columns", "direct", "onednn", "products"]


def choose(kind: Kind, geometry: Geometry, dtype: str, native: bool) -> Way:
    """The way that a convolution or gradient takes on one CPU.

    The rules are what was fastest of the shapes of the nets in `configs/`; see tests/benchmarks/RESULTS.md.

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
    channels, outputs = geometry.weights[-2:]
    area = prod(geometry.size)
    if geometry.groups > 1 or len(geometry.size) > 2 or area < 5:
        return "onednn"
    if kind == "weights_gradient":
        return "products" if outputs % WIDEST == 0 and (channels >= 8 or area >= 49) else "onednn"
    read, written = (channels, outputs) if kind == "forward" else (outputs, channels)
    few = 8 <= read <= 16 and written % WIDEST == 0
    return "direct" if few and (kind == "forward" or not geometry.strided) else "onednn"


def _plain(kind: Kind, geometry: Geometry) -> Way:
    return "xla"
