"""Layers without variables that act elementwise or on shapes."""

from slimtrain.config.catalog import layer
from slimtrain.config.values import Activation
from slimtrain.lazy import Array
from slimtrain.net.components import relu
from slimtrain.net.scope import Scope


@layer(scope="Activation")
def activation(scope: Scope, inputs: Array, *, activation_fn: Activation = relu) -> Array:
    """Applies an activation by itself.

    Args:
        activation_fn: the activation.

    Returns:
        The inputs' shape.
    """
    outputs: Array = activation_fn(inputs)
    return outputs
