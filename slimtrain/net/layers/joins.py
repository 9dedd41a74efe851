"""Joins: one array of several branches."""

from collections.abc import Sequence
from functools import reduce

from slimtrain.config.catalog import join
from slimtrain.config.values import Activation
from slimtrain.lazy import Array, jnp
from slimtrain.net.scope import LayerError


@join()
def concat(branches: Sequence[Array], *, axis: int = -1) -> Array:
    """Joins branches along an axis.

    Args:
        axis: the axis; -1 is the channels of NHWC, 1 those of NCHW.

    Raises:
        LayerError: branches whose other axes differ.
    """
    rank = branches[0].ndim
    if not -rank <= axis < rank or axis % rank == 0:
        raise LayerError(
            f"axis {axis} is no axis of an example, of inputs of rank {rank}", f"use 1 to {rank - 1}, or -1"
        )
    _equal([b.shape[: axis % rank] + b.shape[axis % rank + 1 :] for b in branches], branches)
    return jnp.concatenate(branches, axis)


@join()
def add(branches: Sequence[Array], *, activation_fn: Activation | None = None) -> Array:
    """Adds branches of one shape.

    Args:
        activation_fn: activation of the sum, or null.

    Raises:
        LayerError: branches of different shapes.
    """
    return _activated(reduce(jnp.add, _same(branches)), activation_fn)


@join()
def multiply(branches: Sequence[Array], *, activation_fn: Activation | None = None) -> Array:
    """Multiplies branches of one shape, or of shapes that broadcast (a gate of 1 by 1 pixels, say).

    Args:
        activation_fn: activation of the product, or null.

    Raises:
        LayerError: branches whose shapes do not broadcast.
    """
    try:
        jnp.broadcast_shapes(*(b.shape for b in branches))
    except ValueError:
        _same(branches)
    return _activated(reduce(jnp.multiply, branches), activation_fn)


@join()
def residual(branches: Sequence[Array], *, activation_fn: Activation | None = None) -> Array:
    """Adds a shortcut and the layers beside it (He et al., 2015); an empty shortcut is the identity.

    Args:
        activation_fn: activation of the sum, or null.

    Raises:
        LayerError: shortcut and layers of different shapes.
    """
    return _activated(reduce(jnp.add, _same(branches)), activation_fn)


def _activated(outputs: Array, activation_fn: Activation | None) -> Array:
    return outputs if activation_fn is None else activation_fn(outputs)


def _same(branches: Sequence[Array]) -> Sequence[Array]:
    _equal([b.shape for b in branches], branches)
    return branches


def _equal(shapes: Sequence[Sequence[int]], branches: Sequence[Array]) -> None:
    if len({tuple(s) for s in shapes} | {("rank", b.ndim) for b in branches}) > 2:
        told = " and ".join(str(list(b.shape)) for b in branches)
        raise LayerError(f"branches of shapes {told}", "give them equal strides, paddings and num_outputs")
