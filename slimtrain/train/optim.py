"""Optimizers with TF1's arithmetic where TF1 has them, of optax's parts; and what gradients go through before."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from slimtrain.config.catalog import optimizer
from slimtrain.config.values import Fraction, NonNegative, NonPositive, Positive, Schedule
from slimtrain.lazy import Array, jnp, optax
from slimtrain.net.sums import square_sum
from slimtrain.train.rules import adagrad_step, adam_step, adamw_step, momentum_step, rmsprop_step, sgd_step
from slimtrain.train.taking import AtOnce
from slimtrain.train.tf1 import ftrl_steps, scale_by_tf_adadelta, scale_by_tf_adagrad, scale_by_tf_adam

Gradients = dict[str, Array]


@optimizer()
def sgd(*, learning_rate: Schedule) -> Any:
    """w -= lr * g.

    Args:
        learning_rate: a number or a schedule.
    """
    parts = optax.scale_by_learning_rate(learning_rate)
    return AtOnce(parts.init, parts.update, partial(sgd_step, learning_rate))


@optimizer()
def momentum(*, learning_rate: Schedule, momentum: Fraction = 0.9, use_nesterov: bool = False) -> Any:
    """a = momentum * a + g; w -= lr * a.

    Args:
        learning_rate: a number or a schedule.
        momentum: share of the old direction that is kept, 0 to 1.
        use_nesterov: step by g + momentum * a instead (Sutskever et al., 2013, as TF1 writes it).
    """
    parts = optax.chain(optax.trace(momentum, use_nesterov), optax.scale_by_learning_rate(learning_rate))
    return AtOnce(parts.init, parts.update, partial(momentum_step, learning_rate, momentum, use_nesterov))


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
    parts = optax.chain(scale_by_tf_adam(beta1, beta2, epsilon), optax.scale_by_learning_rate(learning_rate))
    return AtOnce(parts.init, parts.update, partial(adam_step, learning_rate, beta1, beta2, epsilon))


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
    parts = optax.adamw(learning_rate, beta1, beta2, epsilon, weight_decay=weight_decay, mask=_kernels)
    step = partial(adamw_step, learning_rate, beta1, beta2, epsilon, weight_decay)
    return AtOnce(parts.init, parts.update, step)


def _kernels(parameters: Mapping[str, Array]) -> dict[str, bool]:
    return {name: value.ndim > 1 for name, value in parameters.items()}


@optimizer()
def nadam(*, learning_rate: Schedule, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-8) -> Any:
    """Adam that steps by the mean of gradients as the next step will see it (Dozat, 2016).

    Args:
        learning_rate: a number or a schedule.
        beta1: decay of the mean of gradients, 0 to 1.
        beta2: decay of the mean of their squares, 0 to 1.
        epsilon: added to the root.
    """
    return optax.nadam(learning_rate, beta1, beta2, epsilon)


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
    parts = optax.rmsprop(
        learning_rate, decay, epsilon, initial_scale=1.0, eps_in_sqrt=True, centered=centered, momentum=momentum
    )
    step = partial(rmsprop_step, learning_rate, decay, momentum, epsilon, centered)
    return AtOnce(parts.init, parts.update, step)


@optimizer()
def adagrad(*, learning_rate: Schedule, initial_accumulator_value: Positive = 0.1) -> Any:
    """acc += g^2; w -= lr * g / sqrt(acc): TF1's, without an epsilon (Duchi et al., 2011).

    Args:
        learning_rate: a number or a schedule.
        initial_accumulator_value: start of the sums of squares.
    """
    scaled = scale_by_tf_adagrad(initial_accumulator_value)
    parts = optax.chain(scaled, optax.scale_by_learning_rate(learning_rate))
    return AtOnce(parts.init, parts.update, partial(adagrad_step, learning_rate))


@optimizer()
def adadelta(*, learning_rate: Schedule, rho: Fraction = 0.95, epsilon: Positive = 1e-8) -> Any:
    """Steps by the gradient times the root mean square of past steps over that of gradients: TF1's.

    Args:
        learning_rate: a number or a schedule; 1 is the paper's, TF1's default of 0.001 hardly moves.
        rho: decay of both mean squares, 0 to 1.
        epsilon: added to both mean squares, inside the roots.

    Source: Zeiler, 2012; tf.compat.v1.train.AdadeltaOptimizer.
    """
    return optax.chain(scale_by_tf_adadelta(rho, epsilon), optax.scale_by_learning_rate(learning_rate))


@optimizer()
def ftrl(
    *,
    learning_rate: Schedule,
    learning_rate_power: NonPositive = -0.5,
    initial_accumulator_value: NonNegative = 0.1,
    l1_regularization_strength: NonNegative = 0.0,
    l2_regularization_strength: NonNegative = 0.0,
    l2_shrinkage_regularization_strength: NonNegative = 0.0,
) -> Any:
    """Follow the regularized leader, proximal: L1 makes weights exactly 0. TF1's.

    Args:
        learning_rate: a number or a schedule; nothing moves in a step of rate 0.
        learning_rate_power: how the rate falls with the sum of squares, up to 0; 0 keeps it.
        initial_accumulator_value: start of the sums of squares, from 0.
        l1_regularization_strength: a weight whose gathered gradients are within it is 0.
        l2_regularization_strength: keeps weights near 0.
        l2_shrinkage_regularization_strength: a penalty on the weights' size, added to the gradients only.

    Source: McMahan et al., 2013; tf.compat.v1.train.FtrlOptimizer.
    """
    return ftrl_steps(
        learning_rate,
        learning_rate_power,
        initial_accumulator_value,
        l1_regularization_strength,
        l2_regularization_strength,
        l2_shrinkage_regularization_strength,
    )


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


def multiplied(gradients: Gradients, factors: Mapping[str, float]) -> Gradients:
    """Gradients times the factors of their variables, as TF-Slim's multiply_gradients."""
    return {n: g * factors[n] if n in factors else g for n, g in gradients.items()}


def clipped(gradients: Gradients, each: float, together: float) -> Gradients:
    """Gradients clipped, each by its own L2 norm (TF-Slim's clip_gradient_norms), then all by their global one.

    A global norm that is not finite makes all of them NaN, as TensorFlow's clip_by_global_norm does: that step is
    refused, where gradients of zero would pass for a step.
    """
    if each:
        gradients = {n: _clip(g, norm(g), each) for n, g in gradients.items()}
    if together:
        whole = norm(*gradients.values())
        whole = jnp.where(jnp.isfinite(whole), whole, jnp.nan)
        gradients = {n: _clip(g, whole, together) for n, g in gradients.items()}
    return gradients


def norm(*gradients: Array) -> Array:
    """The L2 norm of arrays taken together."""
    return jnp.sqrt(sum(map(square_sum, gradients), start=jnp.float32(0.0)))


def _clip(gradient: Array, length: Array, limit: float) -> Array:
    return gradient * (limit / jnp.maximum(length, limit))
