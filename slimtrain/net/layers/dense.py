"""Fully connected layers and flattening."""

from slimtrain.config.catalog import layer
from slimtrain.config.values import Activation, Count, Initializer, Normalizer, NormalizerArguments, Regularizer
from slimtrain.lazy import Array
from slimtrain.net.components import relu, xavier, zeros
from slimtrain.net.layers.common import Ending, finish, need_floating
from slimtrain.net.layers.conv import conv2d
from slimtrain.net.scope import LayerError, Scope


@layer(scope="fully_connected", like=conv2d)
def fully_connected(
    scope: Scope,
    inputs: Array,
    *,
    num_outputs: Count,
    activation_fn: Activation | None = relu,
    normalizer_fn: Normalizer | None = None,
    normalizer_params: NormalizerArguments | None = None,
    weights_initializer: Initializer = xavier,
    weights_regularizer: Regularizer | None = None,
    biases_initializer: Initializer | None = zeros,
    biases_regularizer: Regularizer | None = None,
) -> Array:
    """Multiplies the last axis by a matrix, then a normalizer or biases, then an activation.

    Variables: `weights` [in, out], `biases` [out] unless there is a normalizer. Inputs of a higher rank keep their
    leading axes, as in TF-Slim (whose documentation says otherwise).

    Args:
        num_outputs: length of the last axis afterwards.
        weights_initializer: start of the matrix.
        weights_regularizer: regularizer of the matrix.

    Returns:
        [batch, ..., num_outputs].

    Raises:
        LayerError: inputs of rank 1 or 0.

    Source: TF-Slim layers, fully_connected.
    """
    if inputs.ndim < 2:
        raise LayerError(f"expects inputs of rank 2 or more, got rank {inputs.ndim}")
    need_floating("fully_connected", inputs)
    if inputs.ndim > 2:
        shape = ", ".join(map(str, inputs.shape[1:]))
        came = f" from {scope.source}" if scope.source else ""
        scope.warn(f"inputs of rank {inputs.ndim} (batch, {shape}){came}", "add 'flatten' before it if you want rank 2")
    shape2 = (inputs.shape[-1], num_outputs)
    weights = scope.variable("weights", shape2, weights_initializer, regularizer=weights_regularizer)
    outputs = inputs @ weights.astype(inputs.dtype)
    scope.cost(2 * outputs.size * inputs.shape[-1])
    ending = Ending(activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer)
    return finish(scope, outputs, ending)


@layer(scope="Flatten")
def flatten(scope: Scope, inputs: Array) -> Array:
    """Makes each example one row.

    Returns:
        [batch, everything else].

    Source: TF-Slim layers, flatten.
    """
    return inputs.reshape((inputs.shape[0], -1))
