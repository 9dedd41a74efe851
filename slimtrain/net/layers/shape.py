"""Layers that change shapes."""

from math import prod
from typing import Literal

from slimtrain.config.catalog import layer
from slimtrain.config.values import Axes, Count, Number, Pairs
from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.layers.common import need_rank
from slimtrain.net.scope import LayerError, Scope, shown

Channels = Literal["channels_last", "channels_first"]


@layer(scope="Reshape")
def reshape(scope: Scope, inputs: Array, *, shape: Axes) -> Array:
    """Gives each example another shape.

    Args:
        shape: the shape, without the batch; one entry may be -1, for what is left.

    Returns:
        [batch, *shape].

    Raises:
        LayerError: a shape of another number of values.
    """
    size, known = prod(inputs.shape[1:]), prod(n for n in shape if n != -1)
    free = sum(n == -1 for n in shape)
    if free > 1 or known <= 0 or any(n < -1 for n in shape) or (size % known if free else size != known):
        raise LayerError(f"{list(shape)} does not hold the {size} values of {shown(inputs.shape)}", "change an entry")
    return inputs.reshape((inputs.shape[0], *shape))


@layer(scope="Pad")
def pad(
    scope: Scope,
    inputs: Array,
    *,
    paddings: Pairs,
    mode: Literal["CONSTANT", "REFLECT", "SYMMETRIC"] = "CONSTANT",
    constant_values: Number = 0.0,
) -> Array:
    """Pads examples at their edges.

    Args:
        paddings: [before, after] for each axis after the batch; those left out at the end are not padded.
        mode: CONSTANT pads with one value, REFLECT mirrors without the edge, SYMMETRIC with it.
        constant_values: the value of CONSTANT.

    Returns:
        The inputs' shape, each axis longer by its paddings.

    Raises:
        LayerError: more pairs than axes; a mirror longer than the axis.

    Source: tf.pad.
    """
    if len(paddings) > inputs.ndim - 1:
        raise LayerError(
            f"{len(paddings)} pairs for inputs {shown(inputs.shape)}", "one pair for each axis after the batch"
        )
    rest = ((0, 0),) * (inputs.ndim - 1 - len(paddings))
    widths = ((0, 0), *paddings, *rest)
    if mode == "CONSTANT":
        return jnp.pad(inputs, widths, constant_values=constant_values)
    longest = [n - (mode == "REFLECT") for n in inputs.shape]
    if any(max(pair) > n for pair, n in zip(widths, longest, strict=True)):
        raise LayerError(f"paddings {list(paddings)} are longer than {mode} can mirror of {shown(inputs.shape)}")
    return jnp.pad(inputs, widths, mode=mode.lower())


@layer(scope="Crop")
def crop(scope: Scope, inputs: Array, *, croppings: Pairs) -> Array:
    """Cuts examples at their edges.

    Args:
        croppings: [before, after] for each axis after the batch; those left out at the end are not cut.

    Returns:
        The inputs' shape, each axis shorter by its croppings.

    Raises:
        LayerError: more pairs than axes; croppings that leave nothing.

    Source: tf.slice.
    """
    if len(croppings) > inputs.ndim - 1:
        raise LayerError(
            f"{len(croppings)} pairs for inputs {shown(inputs.shape)}", "one pair for each axis after the batch"
        )
    lengths = inputs.shape[1 : len(croppings) + 1]
    if any(sum(pair) >= n for pair, n in zip(croppings, lengths, strict=True)):
        raise LayerError(f"croppings {[list(p) for p in croppings]} leave nothing of {shown(inputs.shape)}")
    cuts = [slice(before, n - after) for (before, after), n in zip(croppings, lengths, strict=True)]
    return inputs[(slice(None), *cuts)]


@layer(scope="SpatialSqueeze")
def squeeze(scope: Scope, inputs: Array, *, axis: Axes | None = None) -> Array:
    """Removes axes of length 1.

    Args:
        axis: the axes, from 1 (0 is the batch); all of length 1 but the batch where null.

    Returns:
        The inputs' shape without them.

    Raises:
        LayerError: an axis that is not of length 1.

    Source: tf.squeeze.
    """
    axes = tuple(a for a in range(1, inputs.ndim) if inputs.shape[a] == 1) if axis is None else axis
    for one in axes:
        if not -inputs.ndim < one < inputs.ndim or one == 0 or inputs.shape[one] != 1:
            raise LayerError(f"axis {one} of the inputs {shown(inputs.shape)} is not of length 1", "leave it out")
    return jnp.squeeze(inputs, axes)


@layer(scope="OneHotEncoding")
def one_hot_encoding(
    scope: Scope, inputs: Array, *, num_classes: Count, on_value: Number = 1.0, off_value: Number = 0.0
) -> Array:
    """Encodes whole numbers as vectors with one value on.

    Args:
        num_classes: length of the vectors; numbers from 0 to num_classes - 1 have a place, others none.
        on_value: value at the number's place.
        off_value: value elsewhere.

    Returns:
        [batch, ..., num_classes], float32.

    Source: TF-Slim layers, one_hot_encoding.
    """
    places = jax.nn.one_hot(inputs.astype(jnp.int32), num_classes, dtype=jnp.float32)
    return places * (on_value - off_value) + off_value


@layer(scope="ImagesToSequence")
def images_to_sequence(scope: Scope, inputs: Array, *, data_format: Channels = "channels_last") -> Array:
    """Reads images from left to right: every row becomes a sequence of its own.

    Args:
        data_format: channels_last or channels_first.

    Returns:
        [width, batch * height, channels].

    Raises:
        LayerError: inputs not of rank 4.

    Source: TF-Slim layers, images_to_sequence.
    """
    need_rank("images_to_sequence", inputs, 4)
    images = jnp.moveaxis(inputs, 1, -1) if data_format == "channels_first" else inputs
    batch, height, width, channels = images.shape
    return images.reshape((batch * height, width, channels)).swapaxes(0, 1)


@layer(scope="SequenceToImages")
def sequence_to_images(
    scope: Scope, inputs: Array, *, height: Count, output_data_format: Channels = "channels_last"
) -> Array:
    """Puts sequences together to images again: the inverse of images_to_sequence.

    Args:
        height: rows of an image.
        output_data_format: channels_last or channels_first.

    Returns:
        [batch, height, width, channels], or channels first.

    Raises:
        LayerError: inputs not of rank 3; a number of sequences that height does not divide.

    Source: TF-Slim layers, sequence_to_images.
    """
    need_rank("sequence_to_images", inputs, 3)
    width, rows, channels = inputs.shape
    if rows % height:
        raise LayerError(f"height {height} does not divide {rows} sequences", "use the images' height")
    images = inputs.swapaxes(0, 1).reshape((rows // height, height, width, channels))
    return jnp.moveaxis(images, -1, 1) if output_data_format == "channels_first" else images
