"""Layers that draw random numbers."""

from slimtrain.config.catalog import layer
from slimtrain.config.values import Counts, KeepFraction, Whole
from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.draws import bernoulli
from slimtrain.net.scope import LayerError, Scope, shown


@layer(scope="Dropout")
def dropout(
    scope: Scope,
    inputs: Array,
    *,
    keep_prob: KeepFraction = 0.5,
    noise_shape: Counts | None = None,
    is_training: bool | None = None,
    seed: Whole | None = None,
) -> Array:
    """Drops elements with probability 1 - keep_prob, scales the rest by 1 / keep_prob; the identity at evaluation.

    Args:
        keep_prob: probability that an element is kept, above 0 to 1.
        noise_shape: shape of the draws, broadcast to the inputs (1 shares a draw along an axis, 0 takes the inputs'
            length).
        is_training: pins the mode; null follows the command.
        seed: a further number mixed into the draws, which come from the config's seed, the step and the scope.

    Returns:
        The inputs' shape.

    Raises:
        LayerError: a noise_shape that does not broadcast to the inputs.

    Source: TF-Slim layers, dropout (Srivastava et al., 2014).
    """
    if not (scope.training if is_training is None else is_training) or keep_prob == 1:
        return inputs
    shape = _noise_shape(inputs, noise_shape)
    key = scope.key() if seed is None else jax.random.fold_in(scope.key(), seed)
    keep = bernoulli(key, keep_prob, shape)
    return jnp.where(keep, inputs / keep_prob, jnp.zeros_like(inputs))


def _noise_shape(inputs: Array, wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    if wanted is None:
        return inputs.shape
    shape = tuple(n or m for n, m in zip(wanted, inputs.shape, strict=False))
    if len(wanted) != inputs.ndim or any(n not in (1, m) for n, m in zip(shape, inputs.shape, strict=True)):
        raise LayerError(
            f"noise_shape {list(wanted)} does not broadcast to {shown(inputs.shape)}", "use 1, 0 or the length"
        )
    return shape
