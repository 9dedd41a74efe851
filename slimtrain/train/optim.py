"""Optimizers with TF1's arithmetic where TF1 has them, of optax's parts; and what gradients go through before."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from slimtrain.config.catalog import optimizer
from slimtrain.config.values import Fraction, NonNegative, Positive, Schedule
from slimtrain.lazy import Array, jax, jnp, optax

Gradients = dict[str, Array]


@optimizer()
def sgd(*, learning_rate: Schedule) -> Any:
    """w -= lr * g.

    Args:
        learning_rate: a number or a schedule.
    """
    return optax.scale_by_learning_rate(learning_rate)


@optimizer()
def momentum(*, learning_rate: Schedule, momentum: Fraction = 0.9, use_nesterov: bool = False) -> Any:
    """a = momentum * a + g; w -= lr * a.

    Args:
        learning_rate: a number or a schedule.
        momentum: share of the old direction that is kept, 0 to 1.
        use_nesterov: step by g + momentum * a instead (Sutskever et al., 2013, as TF1 writes it).
    """
    return optax.chain(optax.trace(momentum, use_nesterov), optax.scale_by_learning_rate(learning_rate))


@optimizer()
def adam(*, learning_rate: Schedule, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-8) -> Any:
    """w -= lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon): TF1's, epsilon outside the correction.

    Args:
        learning_rate: a number or a schedule.
        beta1: decay of the mean of gradients, 0 to 1.
        beta2: decay of the mean of their squares, 0 to 1.
        epsilon: added to the root.

    Source: Kingma and Ba, 2014, the form before section 2.1's last; tf.compat.v1.train.AdamOptimizer.
    """
    return optax.chain(scale_by_tf_adam(beta1, beta2, epsilon), optax.scale_by_learning_rate(learning_rate))


@optimizer()
def adamw(
    *,
    learning_rate: Schedule,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NonNegative = 1e-4,
) -> Any:
    """Adam with decoupled weight decay on kernels and matrices, not on biases and norms (Loshchilov and Hutter, 2017).

    Args:
        learning_rate: a number or a schedule.
        beta1: decay of the mean of gradients, 0 to 1.
        beta2: decay of the mean of their squares, 0 to 1.
        epsilon: added to the root.
        weight_decay: share of a weight that a step of rate 1 takes away; variables of rank 2 and more only.
    """
    return optax.adamw(learning_rate, beta1, beta2, epsilon, weight_decay=weight_decay, mask=_kernels)


def _kernels(parameters: Mapping[str, Array]) -> dict[str, bool]:
    return {name: value.ndim > 1 for name, value in parameters.items()}


@optimizer()
def rmsprop(
    *,
    learning_rate: Schedule,
    decay: Fraction = 0.9,
    momentum: Fraction = 0.0,
    epsilon: Positive = 1e-10,
    centered: bool = False,
) -> Any:
    """ms = decay * ms + (1 - decay) g^2 from 1; a = momentum * a + lr * g / sqrt(ms + epsilon); w -= a: TF1's.

    Args:
        learning_rate: a number or a schedule.
        decay: of the mean square, 0 to 1.
        momentum: share of the old step that is kept, 0 to 1.
        epsilon: added to the mean square, inside the root.
        centered: take the square of the mean gradient off the mean square.
    """
    return optax.rmsprop(
        learning_rate, decay, epsilon, initial_scale=1.0, eps_in_sqrt=True, centered=centered, momentum=momentum
    )


@optimizer()
def adagrad(*, learning_rate: Schedule, initial_accumulator_value: Positive = 0.1) -> Any:
    """acc += g^2; w -= lr * g / sqrt(acc): TF1's, without an epsilon (Duchi et al., 2011).

    Args:
        learning_rate: a number or a schedule.
        initial_accumulator_value: start of the sums of squares.
    """
    return optax.chain(scale_by_tf_adagrad(initial_accumulator_value), optax.scale_by_learning_rate(learning_rate))


@optimizer()
def lamb(
    *,
    learning_rate: Schedule,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-6,
    weight_decay: NonNegative = 0.0,
) -> Any:
    """Adam scaled for each variable by its norm over the step's (You et al., 2019), for large batches.

    Args:
        learning_rate: a number or a schedule.
        beta1: decay of the mean of gradients, 0 to 1.
        beta2: decay of the mean of their squares, 0 to 1.
        epsilon: added to the root.
        weight_decay: decoupled decay of variables of rank 2 and more.
    """
    return optax.lamb(learning_rate, beta1, beta2, epsilon, weight_decay=weight_decay, mask=_kernels)


@optimizer()
def lion(
    *, learning_rate: Schedule, beta1: Fraction = 0.9, beta2: Fraction = 0.99, weight_decay: NonNegative = 0.0
) -> Any:
    """Steps by the sign of an average of gradients (Chen et al., 2023).

    Args:
        learning_rate: a number or a schedule; a tenth of Adam's is a start.
        beta1: share of the old average in the step, 0 to 1.
        beta2: decay of the average, 0 to 1.
        weight_decay: decoupled decay of variables of rank 2 and more.
    """
    return optax.lion(learning_rate, beta1, beta2, weight_decay=weight_decay, mask=_kernels)


def scale_by_tf_adagrad(initial: float) -> Any:
    """Gradients over the root of the sum of their squares, which starts at `initial`."""

    def start(parameters: Any) -> Any:
        return jax.tree.map(lambda p: jnp.full_like(p, initial), parameters)

    def update(gradients: Any, sums: Any, parameters: Any = None) -> tuple[Any, Any]:
        del parameters
        sums = jax.tree.map(lambda s, g: s + jnp.square(g), sums, gradients)
        return jax.tree.map(lambda g, s: g * jax.lax.rsqrt(s), gradients, sums), sums

    return optax.GradientTransformation(start, update)


class AdamState(NamedTuple):
    """Step count, and the means of gradients and of their squares."""

    steps: Array
    mean: Any
    square: Any


def scale_by_tf_adam(beta1: float, beta2: float, epsilon: float) -> Any:
    """optax's scale_by_adam, but with epsilon added to the uncorrected root, as TF1 does."""

    def start(parameters: Any) -> AdamState:
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        return AdamState(jnp.int32(0), zeros, jax.tree.map(jnp.copy, zeros))

    def update(gradients: Any, state: AdamState, parameters: Any = None) -> tuple[Any, AdamState]:
        del parameters
        done = state.steps + 1
        mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state.mean, gradients)
        square = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, state.square, gradients)
        t = done.astype(jnp.float32)
        factor = jnp.sqrt(1 - jnp.float32(beta2) ** t) / (1 - jnp.float32(beta1) ** t)
        steps = jax.tree.map(lambda m, v: factor * m / (jnp.sqrt(v) + epsilon), mean, square)
        return steps, AdamState(done, mean, square)

    return optax.GradientTransformation(start, update)


def multiplied(gradients: Gradients, factors: Mapping[str, float]) -> Gradients:
    """Gradients times the factors of their variables, as TF-Slim's multiply_gradients."""
    return {n: g * factors[n] if n in factors else g for n, g in gradients.items()}


def clipped(gradients: Gradients, each: float, together: float) -> Gradients:
    """Gradients clipped, each by its own L2 norm (TF-Slim's clip_gradient_norms), then all by their global one."""
    if each:
        gradients = {n: _clip(g, optax.tree.norm(g), each) for n, g in gradients.items()}
    if together:
        norm = optax.tree.norm(gradients)
        gradients = {n: _clip(g, norm, together) for n, g in gradients.items()}
    return gradients


def _clip(gradient: Array, norm: Array, limit: float) -> Array:
    return gradient * (limit / jnp.maximum(norm, limit))
