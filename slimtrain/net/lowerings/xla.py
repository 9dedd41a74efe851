"""A convolution as XLA computes it, on any device."""

from slimtrain.lazy import Array, jax, lax
from slimtrain.net.geometry import Geometry


def forward(inputs: Array, weights: Array, geometry: Geometry) -> Array:
    """[batch, *space', out]."""
    order = "NDHWC"[:1] + "DHW"[3 - len(geometry.stride) :] + "C"
    return lax.conv_general_dilated(
        inputs,
        weights,
        window_strides=geometry.stride,
        padding=geometry.padding,
        rhs_dilation=geometry.rate,
        dimension_numbers=(order, order[1:-1] + "IO", order),
        feature_group_count=geometry.groups,
    )


def input_gradient(outputs: Array, weights: Array, geometry: Geometry) -> Array:
    """[batch, *space, in]."""
    like = jax.ShapeDtypeStruct(geometry.inputs, outputs.dtype)  # type: ignore[no-untyped-call]
    return jax.linear_transpose(lambda inputs: forward(inputs, weights, geometry), like)(outputs)[0]  # type: ignore[no-any-return]


def weights_gradient(inputs: Array, outputs: Array, geometry: Geometry) -> Array:
    """[*size, in / groups, out]."""
    like = jax.ShapeDtypeStruct(geometry.weights, inputs.dtype)  # type: ignore[no-untyped-call]
    return jax.linear_transpose(lambda weights: forward(inputs, weights, geometry), like)(outputs)[0]  # type: ignore[no-any-return]
