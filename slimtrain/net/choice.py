"""Which way a convolution is computed on a CPU, by its shape."""

import os
from math import prod
from typing import Literal

from slimtrain.net.geometry import Geometry

Kind = Literal["forward", "input_gradient", "weights_gradient"]
KINDS: tuple[Kind, ...] = ("forward", "input_gradient", "weights_gradient")

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
    force = os.environ.get("SLIMTRAIN_WAY", "")
    if force:
        return force
    if dtype != "float32" or not prod(geometry.outputs):
        return "xla"
    return _native(kind, geometry) if native else _plain(kind, geometry)


def _native(kind: Kind, geometry: Geometry) -> Way:
    if kind == "weights_gradient" and geometry.groups == 1 and len(geometry.size) <= 2:
        channels, outputs = geometry.weights[-2:]
        area = prod(geometry.size)
        if outputs % 16 == 0 and ((area >= 5 and channels >= 8) or area >= 49):
            return "products"
    return "onednn"


def _plain(kind: Kind, geometry: Geometry) -> Way:
    return "xla"
