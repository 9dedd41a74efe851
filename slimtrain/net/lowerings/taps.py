"""What each tap of a kernel meets of the inputs."""

from itertools import product

from slimtrain.lazy import Array, jnp, lax
from slimtrain.net.geometry import Geometry


def taps(inputs: Array, geometry: Geometry) -> list[Array]:
    """For each tap, in the kernel's order, the inputs [batch, *space', in] that it is multiplied by."""
    # Behind the barrier the padded inputs are computed once; else XLA would compute them again for every tap.
    padded = jnp.pad(inputs, ((0, 0), *geometry.padding, (0, 0)))
    padded = lax.optimization_barrier(padded)  # type: ignore[no-untyped-call]
    return [padded[:, *_places(tap, geometry)] for tap in product(*map(range, geometry.size))]


def _places(tap: tuple[int, ...], geometry: Geometry) -> list[slice]:
    steps = zip(tap, geometry.rate, geometry.outputs[1:-1], geometry.stride, strict=True)
    return [slice(at * r, at * r + (n - 1) * s + 1, s) for at, r, n, s in steps]
