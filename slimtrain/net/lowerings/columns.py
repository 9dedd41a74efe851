"""The weights gradient of a convolution as products of matrices, one a tap or one a row of the kernel."""

from math import prod

from slimtrain.lazy import Array, jnp, lax
from slimtrain.net.geometry import Geometry
from slimtrain.net.lowerings.product import over_pixels
from slimtrain.net.lowerings.taps import taps

NARROW = 3
"""Input channels up to which a row's taps go into one product: a tap's own is too thin to be fast."""

PART = 2**18
"""Numbers of the larger array that are taken at a time: what the taps meet of them is copied, and stays in a cache."""


def weights_gradient(inputs: Array, outputs: Array, geometry: Geometry) -> Array:
    """[*size, in, out], of one group."""
    parts = _parts(geometry)

    def added(total: Array, part: list[Array]) -> tuple[Array, None]:
        return total + _products(part[0], part[1], geometry), None

    shares = [values.reshape(parts, -1, *values.shape[1:]) for values in (inputs, outputs)]
    total: Array = lax.scan(added, jnp.zeros(geometry.weights, outputs.dtype), shares)[0]
    return total


def _products(inputs: Array, outputs: Array, geometry: Geometry) -> Array:
    together = geometry.size[-1] if geometry.inputs[-1] <= NARROW else 1
    met = taps(inputs, geometry)
    columns = [jnp.concatenate(met[i : i + together], -1) for i in range(0, len(met), together)]
    return jnp.stack([over_pixels(column, outputs) for column in columns]).reshape(geometry.weights)


def _parts(geometry: Geometry) -> int:
    """Parts of equal size that the batch is taken in, each of at least an example."""
    batch, largest = geometry.inputs[0], max(prod(geometry.inputs), prod(geometry.outputs))
    return next(n for n in range(1, batch + 1) if batch % n == 0 and (largest <= PART * n or n == batch))
