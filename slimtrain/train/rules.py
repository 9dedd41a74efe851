"""The optimizers that take their step at once: the arithmetic of each, and where its moments lie in optax's state."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from slimtrain.lazy import Array, jax, jnp, optax
from slimtrain.train.taking import Arrays, Taken, stepped, target
from slimtrain.train.tf1 import adam_factors, adam_means, adam_moved

Rate = Callable[[Array], Array]
Factors = Sequence[Array]


def sgd_step(rate: Rate, allowed: Array, gradients: Arrays, state: Any, variables: Arrays) -> Taken:
    """The step of optax's `scale_by_learning_rate`, its state too."""
    moved, taken = stepped(_sgd, allowed, [rate(state.count)], variables, gradients)
    return Taken(moved, _counted(state, taken), taken)


def momentum_step(
    rate: Rate, momentum: float, nesterov: bool, allowed: Array, gradients: Arrays, state: Any, variables: Arrays
) -> Taken:
    """The step of optax's `chain(trace, scale_by_learning_rate)`, its state too."""
    trace, scale = state
    rule = partial(_momentum, nesterov=nesterov)
    factors = [rate(scale.count), momentum]
    moments, moved, taken = stepped(rule, allowed, factors, trace.trace, variables, gradients)
    return Taken(moved, (trace._replace(trace=moments), _counted(scale, taken)), taken)


def adam_step(
    rate: Rate,
    beta1: float,
    beta2: float,
    epsilon: float,
    allowed: Array,
    gradients: Arrays,
    state: Any,
    variables: Arrays,
) -> Taken:
    """The step of `chain(scale_by_tf_adam, scale_by_learning_rate)`, its state too."""
    adam, scale = state
    done = adam.steps + 1
    factors = [rate(scale.count), *adam_factors(beta1, beta2, epsilon, done)]
    mean, square, moved, taken = stepped(_adam, allowed, factors, adam.mean, adam.square, variables, gradients)
    adam = adam._replace(steps=jnp.where(taken, done, adam.steps), mean=mean, square=square)
    return Taken(moved, (adam, _counted(scale, taken)), taken)


def adamw_step(
    rate: Rate,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
    allowed: Array,
    gradients: Arrays,
    state: Any,
    variables: Arrays,
) -> Taken:
    """The step of optax's `adamw` whose weight decay is of variables of rank 2 and more, its state too."""
    adam, decayed, scale = state
    done = optax.safe_increment(adam.count)
    shares = [1 - beta1**done, 1 - beta2**done]
    factors = [rate(scale.count), *shares, beta1, 1 - beta1, beta2, 1 - beta2, epsilon, weight_decay]
    mean, square, moved, taken = stepped(_adamw, allowed, factors, adam.mu, adam.nu, variables, gradients)
    adam = adam._replace(count=jnp.where(taken, done, adam.count), mu=mean, nu=square)
    return Taken(moved, (adam, decayed, _counted(scale, taken)), taken)


def adagrad_step(rate: Rate, allowed: Array, gradients: Arrays, state: Any, variables: Arrays) -> Taken:
    """The step of `chain(scale_by_tf_adagrad, scale_by_learning_rate)`, its state too."""
    sums, scale = state
    sums, moved, taken = stepped(_adagrad, allowed, [rate(scale.count)], sums, variables, gradients)
    return Taken(moved, (sums, _counted(scale, taken)), taken)


def rmsprop_step(
    rate: Rate,
    decay: float,
    momentum: float,
    epsilon: float,
    centered: bool,
    allowed: Array,
    gradients: Arrays,
    state: Any,
    variables: Arrays,
) -> Taken:
    """The step of optax's `rmsprop` with a momentum and epsilon inside the root, its state too."""
    scaled, scale, trace = state
    names = ("mu", "nu") if centered else ("nu",)
    rule = partial(_centered_rmsprop if centered else _rmsprop, centered=centered)
    factors = [rate(scale.count), momentum, decay, 1 - decay, epsilon]
    before = [getattr(scaled, name) for name in names]
    *means, steps, moved, taken = stepped(rule, allowed, factors, *before, trace.trace, variables, gradients)
    scaled = scaled._replace(**dict(zip(names, means, strict=True)))
    return Taken(moved, (scaled, _counted(scale, taken), trace._replace(trace=steps)), taken)


def _counted(scale: Any, taken: Array) -> Any:
    return scale._replace(count=jnp.where(taken, optax.safe_increment(scale.count), scale.count))


def _sgd_rule(factors: Factors, gradient: Array, value: Array) -> tuple[Array, ...]:
    [rate] = factors
    return (value - gradient * rate,)


def _momentum_rule(
    factors: Factors, gradient: Array, moment: Array, value: Array, *, nesterov: bool
) -> tuple[Array, ...]:
    rate, momentum = factors
    moment = momentum * moment + gradient
    return moment, value - rate * (momentum * moment + gradient if nesterov else moment)


def _adam_rule(factors: Factors, gradient: Array, mean: Array, square: Array, value: Array) -> tuple[Array, ...]:
    rate, *others = factors
    mean, square, step = adam_moved(others, gradient, mean, square)
    return mean, square, value - rate * step


def _adamw_rule(factors: Factors, gradient: Array, mean: Array, square: Array, value: Array) -> tuple[Array, ...]:
    rate, mean_share, square_share, *shares, epsilon, decay = factors
    mean, square = adam_means(shares, gradient, mean, square)
    step = mean / mean_share / (jnp.sqrt(square / square_share) + epsilon)
    return mean, square, value - rate * (step + decay * value if value.ndim > 1 else step)


def _adagrad_rule(factors: Factors, gradient: Array, total: Array, value: Array) -> tuple[Array, ...]:
    [rate] = factors
    total = total + jnp.square(gradient)
    return total, value - rate * gradient * jax.lax.rsqrt(total)


def _rmsprop_rule(factors: Factors, gradient: Array, *before: Array, centered: bool) -> tuple[Array, ...]:
    rate, momentum, kept, new, epsilon = factors
    *mean, square, step, value = before
    square = kept * square + new * gradient * gradient
    spread = square
    if centered:
        mean = [kept * mean[0] + new * gradient]
        spread = square - jnp.square(mean[0])
    step = momentum * step - rate * gradient * jax.lax.rsqrt(spread + epsilon)
    return *mean, square, step, value + step


_sgd = target("sgd", 0, _sgd_rule)
_momentum = target("momentum", 1, _momentum_rule)
_adam = target("adam", 2, _adam_rule)
_adamw = target("adamw", 2, _adamw_rule)
_adagrad = target("adagrad", 1, _adagrad_rule)
_rmsprop = target("rmsprop", 2, _rmsprop_rule)
_centered_rmsprop = target("rmsprop", 3, _rmsprop_rule)
