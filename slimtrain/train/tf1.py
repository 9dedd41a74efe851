"""TF1's arithmetic for optimizers where optax's is another, as optax transformations."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from slimtrain.lazy import Array, jax, jnp, optax


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


def adam_factors(beta1: float, beta2: float, epsilon: float, steps: Array) -> list[Any]:
    """What `adam_moved` takes at a step, from 1: first what corrects means that started at zero."""
    t = steps.astype(jnp.float32)
    correction = jnp.sqrt(1 - jnp.float32(beta2) ** t) / (1 - jnp.float32(beta1) ** t)
    return [correction, beta1, 1 - beta1, beta2, 1 - beta2, epsilon]


def adam_means(factors: Sequence[Any], gradient: Array, mean: Array, square: Array) -> tuple[Array, Array]:
    """(the mean of gradients, that of their squares) of a variable, by the shares of each that are kept and new."""
    mean_kept, mean_new, square_kept, square_new = factors
    return mean_kept * mean + mean_new * gradient, square_kept * square + square_new * gradient * gradient


def adam_moved(factors: Sequence[Any], gradient: Array, mean: Array, square: Array) -> tuple[Array, Array, Array]:
    """(the mean of gradients, that of their squares, the step for a rate of 1) of a variable."""
    correction, *shares, epsilon = factors
    mean, square = adam_means(shares, gradient, mean, square)
    return mean, square, correction * mean / (jnp.sqrt(square) + epsilon)


def scale_by_tf_adam(beta1: float, beta2: float, epsilon: float) -> Any:
    """optax's scale_by_adam, but with epsilon added to the uncorrected root, as TF1 does."""

    def start(parameters: Any) -> AdamState:
        return AdamState(jnp.int32(0), *_zeros(parameters))

    def update(gradients: Any, state: AdamState, parameters: Any = None) -> tuple[Any, AdamState]:
        del parameters
        done = state.steps + 1
        moved = partial(adam_moved, adam_factors(beta1, beta2, epsilon, done))
        found = jax.tree.map(moved, gradients, state.mean, state.square)
        mean, square, steps = jax.tree.transpose(jax.tree.structure(gradients), jax.tree.structure((0, 0, 0)), found)
        return steps, AdamState(done, mean, square)

    return optax.GradientTransformation(start, update)


class AdadeltaState(NamedTuple):
    """The mean squares of gradients and of steps."""

    gradients: Any
    steps: Any


def scale_by_tf_adadelta(rho: float, epsilon: float) -> Any:
    """Gradients times the root mean square of past steps over their own, the rate not counted in the steps."""

    def start(parameters: Any) -> AdadeltaState:
        return AdadeltaState(*_zeros(parameters))

    def update(gradients: Any, state: AdadeltaState, parameters: Any = None) -> tuple[Any, AdadeltaState]:
        del parameters
        squares = jax.tree.map(_averaged(rho), state.gradients, gradients)
        ratio = jax.tree.map(lambda d, s: jnp.sqrt(d + epsilon) * jax.lax.rsqrt(s + epsilon), state.steps, squares)
        steps = jax.tree.map(jnp.multiply, ratio, gradients)
        return steps, AdadeltaState(squares, jax.tree.map(_averaged(rho), state.steps, steps))

    return optax.GradientTransformation(start, update)


def _averaged(rho: float) -> Callable[[Array, Array], Array]:
    return lambda square, value: rho * square + (1 - rho) * value * value


def _zeros(parameters: Any) -> tuple[Any, Any]:
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return zeros, jax.tree.map(jnp.copy, zeros)


class FtrlState(NamedTuple):
    """Step count; per weight the sum of squared gradients, and the gradients gathered for the leader."""

    steps: Array
    squares: Any
    linear: Any


def ftrl_steps(
    rate: Callable[[Array], Array], power: float, initial: float, l1: float, l2: float, shrinkage: float
) -> Any:
    """What takes each weight to where TF1's FtrlOptimizer assigns it.

    Args:
        rate: learning rate of a step. The formulas divide by it; where it is 0 nothing moves.
        power: of the sums of squares, up to 0.
        initial: start of the sums.
        l1: bound below which a weight is 0.
        l2: stabilizing penalty.
        shrinkage: penalty that is added to the gradients, but not to their squares.
    """

    def start(parameters: Any) -> FtrlState:
        squares = jax.tree.map(lambda p: jnp.full_like(p, initial), parameters)
        return FtrlState(jnp.int32(0), squares, jax.tree.map(jnp.zeros_like, parameters))

    def update(gradients: Any, state: FtrlState, parameters: Any) -> tuple[Any, FtrlState]:
        now, done = rate(state.steps), state.steps + 1

        def gathered(old: Array, gradient: Array, weight: Array, square: Array, before: Array) -> Array:
            return old + gradient + 2 * shrinkage * weight - (square**-power - before**-power) / now * weight

        def leader(linear: Array, square: Array) -> Array:
            return jnp.where(
                jnp.abs(linear) > l1, (l1 * jnp.sign(linear) - linear) / (square**-power / now + 2 * l2), 0
            )

        squares = jax.tree.map(lambda s, g: s + jnp.square(g), state.squares, gradients)
        linear = jax.tree.map(gathered, state.linear, gradients, parameters, squares, state.squares)
        steps = jax.tree.map(jnp.subtract, jax.tree.map(leader, linear, squares), parameters)
        still = jax.tree.map(jnp.zeros_like, steps), state._replace(steps=done)
        new = steps, FtrlState(done, squares, linear)
        return jax.tree.map(partial(jnp.where, now > 0), new, still)  # type: ignore[no-any-return]

    return optax.GradientTransformation(start, update)
