"""Activations, initializers and regularizers by name, with TF-Slim's formulas."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from slimtrain.config.catalog import activation, initializer, regularizer
from slimtrain.config.values import NonNegative, Number, Positive, RegularizerList
from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.ended import Bounds
from slimtrain.net.sums import square_sum


@activation()
def relu(inputs: Array) -> Array:
    """max(x, 0)."""
    return jax.nn.relu(inputs)


@activation()
def relu6(inputs: Array) -> Array:
    """min(max(x, 0), 6)."""
    return jax.nn.relu6(inputs)


def bounds_of(activation: Any) -> Bounds | None:
    """What an activation, bound to its arguments, holds values between, where that is all that it does."""
    return {relu: Bounds(0.0, math.inf), relu6: Bounds(0.0, 6.0)}.get(getattr(activation, "func", activation))


@activation()
def elu(inputs: Array, *, alpha: Number = 1.0) -> Array:
    """x where positive, alpha * (exp(x) - 1) elsewhere.

    Args:
        alpha: minus the value far below zero.
    """
    return jax.nn.elu(inputs, alpha)


@activation()
def selu(inputs: Array) -> Array:
    """Self-normalizing ELU (Klambauer et al., 2017); its slope at 0 is the one above 0, as TensorFlow's."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * jnp.where(inputs >= 0, inputs, alpha * jnp.expm1(jnp.minimum(inputs, 0)))


@activation()
def sigmoid(inputs: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(inputs)


@activation()
def tanh(inputs: Array) -> Array:
    """The hyperbolic tangent."""
    return jnp.tanh(inputs)


@activation()
def softplus(inputs: Array) -> Array:
    """log(1 + exp(x))."""
    return jax.nn.softplus(inputs)


@activation()
def softsign(inputs: Array) -> Array:
    """x / (1 + |x|)."""
    return jax.nn.soft_sign(inputs)


@activation()
def softmax(inputs: Array) -> Array:
    """The softmax over the last axis."""
    return jax.nn.softmax(inputs)


@activation()
def leaky_relu(inputs: Array, *, alpha: Number = 0.2) -> Array:
    """x where positive, alpha * x elsewhere; its slope at 0 is alpha, as TensorFlow's.

    Args:
        alpha: slope up to zero (0.2, as TensorFlow's).
    """
    return jnp.where(inputs > 0, inputs, alpha * inputs)


@activation()
def swish(inputs: Array) -> Array:
    """x * sigmoid(x)."""
    return jax.nn.silu(inputs)


@activation()
def hard_sigmoid(inputs: Array, *, factor: Number = 1 / 6) -> Array:
    """factor * relu6(x + 3) (Howard et al., 2019).

    Args:
        factor: a sixth of the largest value; TF-Slim's MobileNet v3 rounds it to 0.16667.
    """
    return factor * jax.nn.relu6(inputs + 3)


@activation()
def hard_swish(inputs: Array) -> Array:
    """x * relu6(x + 3) / 6 (Howard et al., 2019)."""
    return inputs * hard_sigmoid(inputs)


@activation()
def gelu(inputs: Array, *, approximate: bool = False) -> Array:
    """x times the normal distribution function of x.

    Args:
        approximate: use the tanh formula instead of the exact one.
    """
    return jax.nn.gelu(inputs, approximate)


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """(fan in, fan out) of a kernel as TF-Slim counts them: the last two dimensions, times all before them."""
    if len(shape) < 2:
        return (float(shape[-1]), float(shape[-1])) if shape else (1.0, 1.0)
    field = math.prod(shape[:-2])
    return float(field * shape[-2]), float(field * shape[-1])


@initializer()
def zeros(key: Any, shape: Sequence[int], dtype: Any) -> Array:
    """All 0."""
    return jnp.zeros(shape, dtype)


@initializer()
def ones(key: Any, shape: Sequence[int], dtype: Any) -> Array:
    """All 1."""
    return jnp.ones(shape, dtype)


@initializer(main="value")
def constant(key: Any, shape: Sequence[int], dtype: Any, *, value: Number = 0.0) -> Array:
    """All one value.

    Args:
        value: the value.
    """
    return jnp.full(shape, value, dtype)


@initializer(main="stddev")
def truncated_normal(
    key: Any, shape: Sequence[int], dtype: Any, *, stddev: NonNegative = 1.0, mean: Number = 0.0
) -> Array:
    """A normal distribution cut at two standard deviations, as tf.truncated_normal_initializer (no correction).

    Args:
        stddev: standard deviation before the cut.
        mean: the middle.
    """
    return mean + stddev * jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)


@initializer(main="stddev")
def random_normal(
    key: Any, shape: Sequence[int], dtype: Any, *, stddev: NonNegative = 1.0, mean: Number = 0.0
) -> Array:
    """A normal distribution.

    Args:
        stddev: standard deviation.
        mean: the middle.
    """
    return mean + stddev * jax.random.normal(key, shape, dtype)


@initializer()
def random_uniform(
    key: Any, shape: Sequence[int], dtype: Any, *, minval: Number = -0.05, maxval: Number = 0.05
) -> Array:
    """A uniform distribution.

    Args:
        minval: lower bound.
        maxval: upper bound.
    """
    return jax.random.uniform(key, shape, dtype, minval, maxval)


@initializer()
def xavier(key: Any, shape: Sequence[int], dtype: Any, *, uniform: bool = True) -> Array:
    """Glorot's: variance 2 / (fan in + fan out), as TF-Slim's xavier_initializer.

    Args:
        uniform: uniform in +-sqrt(6 / (fan in + fan out)); otherwise a truncated normal.
    """
    return variance_scaling(key, shape, dtype, factor=1.0, mode="FAN_AVG", uniform=uniform)


@initializer(main="factor")
def variance_scaling(
    key: Any,
    shape: Sequence[int],
    dtype: Any,
    *,
    factor: Positive = 2.0,
    mode: Literal["FAN_IN", "FAN_OUT", "FAN_AVG"] = "FAN_IN",
    uniform: bool = False,
) -> Array:
    """Variance factor / n, as TF-Slim's variance_scaling_initializer; its normal form widens by sqrt(1.3).

    Args:
        factor: 2 suits relu (He et al., 2015), 1 tanh.
        mode: what n counts.
        uniform: uniform in +-sqrt(3 factor / n); otherwise a normal of stddev sqrt(1.3 factor / n), cut at two.
    """
    fan_in, fan_out = fans(shape)
    n = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2}[mode]
    if uniform:
        limit = math.sqrt(3.0 * factor / n)
        return jax.random.uniform(key, shape, dtype, -limit, limit)
    return math.sqrt(1.3 * factor / n) * jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)


@initializer(main="gain")
def orthogonal(key: Any, shape: Sequence[int], dtype: Any, *, gain: Number = 1.0) -> Array:
    """An orthogonal matrix over the flattened leading dimensions (Saxe et al., 2013).

    Args:
        gain: factor on it.
    """
    return jax.nn.initializers.orthogonal(gain)(key, tuple(shape), dtype)


@initializer()
def identity(key: Any, shape: Sequence[int], dtype: Any) -> Array:
    """1 from each channel to itself at the kernel's middle, 0 elsewhere: with padding SAME inputs pass unchanged.

    Raises:
        ValueError: a shape of rank below 2, which is no kernel's.

    Source: the temporal convolutions of TF-Slim's S3D-G (center_initializer).
    """
    if len(shape) < 2:
        raise ValueError(f"identity: expects a kernel, of rank 2 or more (got the shape {list(shape)}); use 'zeros'")
    middle = tuple((n - 1) // 2 for n in shape[:-2])
    return jnp.zeros(shape, dtype).at[middle].set(jnp.eye(shape[-2], shape[-1], dtype=dtype))


@regularizer(main="scale")
def l1(weights: Array, *, scale: NonNegative) -> Array:
    """scale * sum |w|.

    Args:
        scale: factor from 0.
    """
    return scale * jnp.sum(jnp.abs(weights))


@regularizer(main="scale")
def l2(weights: Array, *, scale: NonNegative) -> Array:
    """scale * sum w^2 / 2, as TF-Slim's l2_regularizer.

    Args:
        scale: factor from 0.
    """
    return scale * 0.5 * square_sum(weights)


@regularizer()
def l1_l2(weights: Array, *, scale_l1: NonNegative = 1.0, scale_l2: NonNegative = 1.0) -> Array:
    """The sum of l1 and l2.

    Args:
        scale_l1: factor of l1.
        scale_l2: factor of l2.
    """
    return l1(weights, scale=scale_l1) + l2(weights, scale=scale_l2)


@regularizer(main="regularizer_list")
def sum_(weights: Array, *, regularizer_list: RegularizerList) -> Array:
    """The sum of several regularizers, as TF-Slim's sum_regularizer.

    Args:
        regularizer_list: regularizers; those of scale 0 count as none.
    """
    terms: list[Array] = [term(weights) for term in regularizer_list if term is not None]
    return sum(terms, start=jnp.float32(0.0))
