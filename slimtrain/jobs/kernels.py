"""The kinds of computation that training stands on, by JAX and by numpy in float64.

Run as a program it prints a line for each, its name when it starts, behind a tab how far it is off when it ends, and
then `end`. It has a process of its own since some known faults crash or hang, and imports nothing of slimtrain, to be
run by its path.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Pair = tuple[Any, Any]


def difference(pairs: Iterator[Pair]) -> float:
    """The largest difference of what was got and what was wanted, relative to the largest finite value wanted."""
    return max(_difference(np.asarray(got, float), np.asarray(wanted, float)) for got, wanted in pairs)


def _difference(got: Any, wanted: Any) -> float:
    alike = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    size = np.max(np.abs(wanted), initial=0.0, where=np.isfinite(wanted))
    with np.errstate(invalid="ignore"):
        return float(np.max(np.where(alike, 0.0, np.abs(got - wanted))) / (size or 1.0))


def _draw(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def sums_of_squares_of_many_rows() -> Iterator[Pair]:
    """jax#39103: wrong from 32,768 rows on in jaxlib 0.10.2."""
    matrix, rows = np.eye(3, dtype=np.float32), np.zeros((32769, 3), np.float32)
    rows[:, 0] = np.arange(len(rows))
    yield jax.jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))(rows), rows[:, 0].astype(float) ** 2


def sums_over_one_of_eight_axes() -> Iterator[Pair]:
    """jax#39257: crashes or hangs in jaxlib 0.10.2 and 0.11.0."""
    one, other = _draw(3, 4, 6), _draw(3, 4, 6, 3, 3, 3, 3, 3)
    wide = one[..., None, None, None, None, None]
    wanted = (wide.astype(float) * other).sum(2)
    yield jax.jit(lambda a, b: jnp.sum(a[..., None, None, None, None, None] * b, axis=2))(one, other), wanted


def sums_beside_an_axis_of_one() -> Iterator[Pair]:
    """jax#40412: crashes in jaxlib 0.10.2."""
    one, other = _draw(3, 1, 2, 2, 8, 8, 8), 2 + _draw(3, 1, 2, 2, 8, 8, 8)
    yield jax.jit(lambda a, b: jnp.sum(a * b, axis=3))(one, other), (one.astype(float) * other).sum(3)


def plain_sums() -> Iterator[Pair]:
    """Over all of an array, over its columns, over its rows; no power of two anywhere."""
    values = 1 + _draw(40001, 33)
    exact = values.astype(float)
    for axis in (None, 0, 1):
        yield jax.jit(lambda v, axis=axis: jnp.sum(v, axis))(values), exact.sum(axis)


def products_of_a_shared_matrix() -> Iterator[Pair]:
    """A batch of products with one matrix, multiplied and summed, and its gradients."""
    matrix, batch, weights = _draw(17, 33), _draw(9, 33, 21), _draw(9, 17, 21)[::-1]

    def total(matrix: Any, batch: Any) -> Any:
        return jnp.sum(jnp.einsum("ij,bjk->bik", matrix, batch) * weights, axis=(1, 2)).sum()

    value, (first, second) = jax.jit(jax.value_and_grad(total, (0, 1)))(matrix, batch)
    exact = np.einsum("bik,bjk->ij", weights.astype(float), batch)
    yield value, np.sum(exact * matrix)
    yield first, exact
    yield second, np.einsum("ij,bik->bjk", matrix.astype(float), weights)


def batch_normalization() -> Iterator[Pair]:
    """Mean, variance and the normalized batch, with the gradients by inputs and scale."""
    inputs, scale, pull = 3 + _draw(64, 13, 13, 17), 1 + _draw(17), _draw(64, 13, 13, 17)[::-1]
    axes = (0, 1, 2)

    def normalized(inputs: Any, scale: Any) -> Any:
        mean = jnp.mean(inputs, axes)
        variance = jnp.mean(jnp.square(inputs - mean), axes)
        return (inputs - mean) * lax.rsqrt(variance + 1e-3) * scale, (mean, variance)

    def both(inputs: Any, scale: Any, pull: Any) -> Any:
        outputs, back, statistics = jax.vjp(normalized, inputs, scale, has_aux=True)
        return outputs, *statistics, *back(pull)

    found = jax.jit(both)(inputs, scale, pull)
    x, g, factor = inputs.astype(float), pull.astype(float), scale.astype(float)
    mean, variance = x.mean(axes), x.var(axes)
    root = np.sqrt(variance + 1e-3)
    unit = (x - mean) / root
    by_input = factor / root * (g - g.mean(axes) - unit * (g * unit).mean(axes))
    yield from zip(found, (unit * factor, mean, variance, by_input, (g * unit).sum(axes)), strict=True)


def convolutions() -> Iterator[Pair]:
    """Plain, strided, dilated and grouped ones; outputs, gradients by inputs and by weights."""
    for stride, rate, groups in ((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 4)):
        yield from _convolution(stride, rate, groups)


def _convolution(stride: int, rate: int, groups: int) -> Iterator[Pair]:
    inputs, weights = _draw(3, 14, 14, 8), _draw(3, 3, 8 // groups, 12)
    span = 14 - 2 * rate
    pull = _draw(3, -(-span // stride), -(-span // stride), 12)[::-1]

    def both(inputs: Any, weights: Any, pull: Any) -> Any:
        outputs, back = jax.vjp(
            lambda x, w: lax.conv_general_dilated(
                x, w, (stride, stride), "VALID", None, (rate, rate), ("NHWC", "HWIO", "NHWC"), groups
            ),
            inputs,
            weights,
        )
        return outputs, *back(pull)

    yield from zip(jax.jit(both)(inputs, weights, pull), _by_taps(inputs, weights, pull, stride, rate), strict=True)


def _by_taps(inputs: Any, weights: Any, pull: Any, stride: int, rate: int) -> tuple[Any, Any, Any]:
    """Outputs and both gradients of a VALID convolution, as sums over the kernel's taps."""
    x, g = inputs.astype(float), pull.astype(float)
    each, groups = weights.shape[2], inputs.shape[3] // weights.shape[2]
    width = weights.shape[3] // groups
    wide = np.zeros((3, 3, inputs.shape[3], weights.shape[3]))  # block-diagonal over the groups
    for group in range(groups):
        ins, outs = slice(group * each, (group + 1) * each), slice(group * width, (group + 1) * width)
        wide[:, :, ins, outs] = weights[..., outs]
    outputs, by_input, by_weight = np.zeros_like(g), np.zeros_like(x), np.zeros_like(wide)
    for i, j in np.ndindex(3, 3):
        rows, columns = (slice(k * rate, k * rate + (g.shape[1] - 1) * stride + 1, stride) for k in (i, j))
        outputs += x[:, rows, columns] @ wide[i, j]
        by_input[:, rows, columns] += g @ wide[i, j].T
        by_weight[i, j] = np.einsum("nhwi,nhwo->io", x[:, rows, columns], g)
    parts = [by_weight[:, :, k * each : (k + 1) * each, k * width : (k + 1) * width] for k in range(groups)]
    return outputs, by_input, np.concatenate(parts, 3)


def max_pooling() -> Iterator[Pair]:
    """The largest of each window of 2 by 2, and its gradient."""
    inputs, pull = _draw(5, 14, 14, 7), _draw(5, 7, 7, 7)

    def both(inputs: Any, pull: Any) -> Any:
        window = (1, 2, 2, 1)
        outputs, back = jax.vjp(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID"), inputs)
        return outputs, *back(pull)

    outputs = inputs.reshape(5, 7, 2, 7, 2, 7).max((2, 4))
    large, pulls = (np.repeat(np.repeat(v, 2, 1), 2, 2) for v in (outputs, pull))
    yield from zip(jax.jit(both)(inputs, pull), (outputs, pulls * (inputs == large)), strict=True)


def cross_entropies() -> Iterator[Pair]:
    """Softmax cross entropy over many rows, and its gradient."""
    logits, labels = 5 * _draw(4099, 11), np.arange(4099) % 11

    def total(logits: Any) -> Any:
        return -jnp.sum(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1))

    exact = np.exp(logits.astype(float))
    shares = exact / exact.sum(1, keepdims=True)
    loss, gradient = jax.jit(jax.value_and_grad(total))(logits)
    yield loss, -np.log(shares[np.arange(4099), labels]).sum()
    yield gradient, shares - np.eye(11)[labels]


def numbers_that_are_not_finite() -> Iterator[Pair]:
    """NaN passes a relu and a maximum; the test for finite numbers sees it. Fast-math flags break this."""
    values = np.array([1.0, np.nan, np.inf, -np.inf] * 9, np.float32)
    yield jax.jit(jax.nn.relu)(values), np.where(np.isnan(values), np.nan, np.maximum(values, 0))
    yield jax.jit(jnp.max)(values), np.nan
    yield jax.jit(lambda v: jnp.isfinite(v * 2))(values), np.isfinite(values)


KERNELS: tuple[Callable[[], Iterator[Pair]], ...] = (
    sums_of_squares_of_many_rows,
    sums_over_one_of_eight_axes,
    sums_beside_an_axis_of_one,
    plain_sums,
    products_of_a_shared_matrix,
    batch_normalization,
    convolutions,
    max_pooling,
    cross_entropies,
    numbers_that_are_not_finite,
)

if __name__ == "__main__":
    for kernel in KERNELS:
        print(kernel.__name__.replace("_", " "), end="\t", flush=True)
        print(difference(kernel()), flush=True)
    print("end")
