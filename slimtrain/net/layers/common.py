"""What TF-Slim's weighted layers share: after the linear op, a normalizer or biases, then the activation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slimtrain.lazy import Array, jnp
from slimtrain.net.scope import LayerError, Scope, shown
from slimtrain.net.sums import add_channels

Function = Callable[..., Any] | None


def channel_axis(data_format: str | None) -> int:
    """Where the channels are: 1 where the format starts with NC, else the last axis."""
    return 1 if data_format and data_format.startswith("NC") else -1


def along(values: Array, axis: int, rank: int) -> Array:
    """[channels] shaped to be added to an array of `rank` along its channel axis."""
    return values if axis == -1 else values.reshape((1, -1) + (1,) * (rank - 2))


def need_rank(op: str, inputs: Array, rank: int) -> None:
    """Raises LayerError where the inputs have another rank."""
    if inputs.ndim != rank:
        hint = "drop the further dimensions before it" if inputs.ndim > rank else "check the layer before it"
        raise LayerError(f"expects inputs of rank {rank}, got rank {inputs.ndim} {shown(inputs.shape)}", hint)


def need_floating(op: str, inputs: Array) -> None:
    """Raises LayerError for whole numbers, which weights would be rounded to."""
    if not jnp.issubdtype(inputs.dtype, jnp.floating):
        hint = "leave model.input.dtype out, so that the data is read as float32"
        raise LayerError(f"{op} takes floating-point inputs, got {inputs.dtype}", hint)


@dataclass(frozen=True)
class Ending:
    """What follows a weighted layer's linear op: the arguments that TF-Slim's weighted layers share."""

    activation_fn: Function
    normalizer_fn: Function
    normalizer_params: Mapping[str, Any] | None
    biases_initializer: Function
    biases_regularizer: Function

    @property
    def biased(self) -> bool:
        """Whether there are biases."""
        return self.normalizer_fn is None and self.biases_initializer is not None


def finish(scope: Scope, outputs: Array, ending: Ending, axis: int = -1) -> Array:
    """The end of a weighted layer. Biases exist only where there is no normalizer and an initializer for them.

    Source: TF-Slim layers, rules of the common argument block.
    """
    if ending.normalizer_fn is not None:
        outputs = ending.normalizer_fn(scope, outputs, **(ending.normalizer_params or {}))
    elif ending.biased:
        outputs = with_biases(outputs, biases_of(scope, outputs.shape[axis], outputs.dtype, ending), axis)
    return ending.activation_fn(outputs) if ending.activation_fn is not None else outputs


def biases_of(scope: Scope, channels: int, dtype: Any, ending: Ending) -> Array:
    """The layer's biases, [channels]."""
    assert ending.biases_initializer is not None
    start, regularizer = ending.biases_initializer, ending.biases_regularizer
    return scope.variable("biases", (channels,), start, regularizer=regularizer).astype(dtype)


def with_biases(outputs: Array, biases: Array, axis: int) -> Array:
    """Outputs plus a number a channel; [channels] along the axis of the channels."""
    return add_channels(outputs, biases) if axis == -1 else outputs + along(biases, axis, outputs.ndim)
