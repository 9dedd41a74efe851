"""A depthwise convolution as the sum, over the kernel's taps, of shifted inputs times the tap's weights."""

import operator
from dataclasses import replace
from functools import reduce

from slimtrain.lazy import Array, jnp, lax
from slimtrain.net.geometry import Geometry
from slimtrain.net.lowerings import phases
from slimtrain.net.lowerings.taps import taps


def forward(inputs: Array, weights: Array, geometry: Geometry) -> Array:
    """[batch, *space', in * multiplier]."""
    kernel = weights.reshape(-1, geometry.outputs[-1])
    products = (met * tap for met, tap in zip(_met(inputs, geometry), kernel, strict=True))
    total: Array = reduce(operator.add, products)
    return total


def input_gradient(outputs: Array, weights: Array, geometry: Geometry) -> Array:
    """[batch, *space, in]."""
    channels = geometry.outputs[-1]
    alone = replace(geometry, inputs=(*geometry.inputs[:-1], channels), groups=channels)
    gradient = phases.input_gradient(outputs, weights, alone, forward)
    return gradient.reshape(*geometry.inputs, -1).sum(-1)


def weights_gradient(inputs: Array, outputs: Array, geometry: Geometry) -> Array:
    """[*size, 1, in * multiplier]."""
    products = [met * outputs for met in _met(inputs, geometry)]
    zeros = [jnp.zeros((), outputs.dtype)] * len(products)
    # All taps in one pass, and along one dimension at first: what it reads is in the cache, and every core has lines.
    lines = lax.reduce(products, zeros, _added, (outputs.ndim - 2,))
    return jnp.stack(lines).sum(range(1, outputs.ndim - 1)).reshape(geometry.weights)


def _met(inputs: Array, geometry: Geometry) -> list[Array]:
    """The inputs [batch, *space', in * multiplier] that each tap meets."""
    multiplier = geometry.outputs[-1] // geometry.inputs[-1]
    return taps(jnp.repeat(inputs, multiplier, -1), geometry)


def _added(first: list[Array], second: list[Array]) -> list[Array]:
    return [a + b for a, b in zip(first, second, strict=True)]
