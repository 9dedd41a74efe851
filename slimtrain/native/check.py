"""Holds a library that was just built to float64: `python -m slimtrain.native.check LIBRARY`; the exit code says."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.native import WIDEST

Values = NDArray[Any]
TOLERANCE = 2e-5
"""Largest difference, as a share of the largest value."""

CASES = (
    # inputs, weights, stride, rate, padding (before, after), groups
    ((3, 9, 8, 5), (3, 3, 5, 7), (1, 1), (1, 1), ((1, 1), (1, 1)), 1),
    ((2, 16, 16, 16), (3, 3, 16, 32), (2, 2), (1, 1), ((0, 1), (0, 1)), 1),
    ((5, 11, 13, 40), (5, 3, 40, 48), (1, 2), (1, 1), ((2, 2), (0, 1)), 1),
    ((2, 12, 12, 9), (3, 3, 9, 16), (1, 1), (2, 2), ((2, 2), (2, 2)), 1),
    ((2, 23, 23, 3), (7, 7, 3, 64), (2, 2), (1, 1), ((3, 3), (3, 3)), 1),
    ((3, 7, 7, 64), (1, 1, 64, 32), (1, 1), (1, 1), ((0, 0), (0, 0)), 1),
    ((2, 8, 8, 12), (3, 3, 1, 12), (2, 2), (1, 1), ((0, 1), (0, 1)), 12),
    ((2, 6, 6, 8), (3, 3, 4, 6), (1, 1), (1, 1), ((1, 1), (1, 1)), 2),
    ((2, 13, 20, 16), (3, 3, 16, 48), (1, 1), (2, 3), ((2, 2), (3, 3)), 1),
    ((2, 30, 16), (5, 16, 16), (2,), (1,), ((1, 2),), 1),
    ((1, 15, 12, 16), (3, 3, 16, 32), (2, 1), (1, 1), ((0, 1), (1, 1)), 1),
    ((1, 9, 9, 64), (3, 3, 64, 32), (1, 1), (2, 2), ((2, 2), (2, 2)), 1),
    ((3, 9, 14, 32), (3, 3, 32, 48), (1, 1), (1, 1), ((1, 1), (1, 1)), 1),
    ((1, 8, 5, 80), (3, 3, 80, 272), (1, 1), (1, 1), ((0, 2), (2, 0)), 1),
    ((2, 9, 12, 16), (5, 5, 16, 48), (1, 1), (1, 1), ((2, 2), (1, 2)), 1),
    ((1, 5, 6, 7, 4), (3, 3, 3, 4, 8), (1, 1, 1), (1, 1, 1), ((1, 1),) * 3, 1),
)


def main(library: str) -> None:
    """Exits with 1 and a line about what is wrong where a target does not agree."""
    import jax

    from slimtrain.native.build import register

    register(Path(library))
    random = np.random.default_rng(0)
    for case in CASES:
        for name, got, want in _convolutions(jax, random, *case):
            _agree(f"{name} of {case}", got, want)
    for name, got, want in (
        *_sums(jax, random),
        *_choices(jax, random),
        *_draws(jax),
        *_optimizers(jax, random),
        *_responses(jax, random),
    ):
        _agree(name, got, want)


def _agree(what: str, got: Any, want: Values) -> None:
    off = np.max(np.abs(np.asarray(got, np.float64) - want)) / max(np.max(np.abs(want)), 1e-30)
    if not off < TOLERANCE:
        sys.exit(f"{what} is off by {off:.1e}")


def _convolutions(
    jax: Any,
    random: Any,
    inputs: Sequence[int],
    weights: Sequence[int],
    stride: Sequence[int],
    rate: Sequence[int],
    padding: Sequence[tuple[int, int]],
    groups: int,
) -> Iterator[tuple[str, Any, Values]]:
    """(target, what it gives, what is right) for the forward pass and both gradients of one geometry."""
    x, w = random.standard_normal(inputs), random.standard_normal(weights)
    y = reference(x, w, stride, rate, padding, groups)
    dy = random.standard_normal(y.shape)
    before, after = zip(*padding, strict=True)
    steps = {"stride": stride, "rate": rate, "before": before, "after": after}
    attributes = {name: np.array(values, np.int64) for name, values in steps.items()}

    def called(target: str, like: Values, *arrays: Values, **more: Any) -> Any:
        call = jax.ffi.ffi_call(f"slimtrain_{target}", jax.ShapeDtypeStruct(like.shape, np.float32))
        return call(*(a.astype(np.float32) for a in arrays), groups=np.int64(groups), **attributes, **more)

    yield "onednn_forward", called("onednn_forward", y, x, w), y
    biases, bounds = random.standard_normal(weights[-1]), {"low": np.float32(-1.0), "high": np.float32(np.abs(y).max())}
    clipped = np.clip(y + biases, bounds["low"], bounds["high"])
    yield "onednn_ended", called("onednn_ended", y, x, w, biases, **bounds), clipped
    dx, dw = gradients(x, w, dy, stride, rate, padding, groups)
    yield "onednn_input_gradient", called("onednn_input_gradient", x, dy, w), dx
    yield "onednn_weights_gradient", called("onednn_weights_gradient", w, x, dy), dw
    if groups > 1 or len(stride) > 2:
        return
    if weights[-1] % WIDEST == 0:
        yield "direct_forward", called("direct_forward", y, x, w), y
    if weights[-2] % WIDEST == 0 and set(stride) == {1}:
        yield "direct_input_gradient", called("direct_input_gradient", x, dy, w), dx
    if weights[-1] % WIDEST == 0:
        yield "products_weights_gradient", called("products_weights_gradient", w, x, dy), dw
    plain = tuple(weights[:-2]) in ((3, 3), (5, 5)) and {*stride, *rate} == {1}
    if plain and weights[-1] % WIDEST == 0 and weights[-2] % WIDEST == 0:
        yield "winograd_forward", called("winograd_forward", y, x, w), y
        yield "winograd_ended", called("winograd_ended", y, x, w, biases, **bounds), clipped
        yield "winograd_input_gradient", called("winograd_input_gradient", x, dy, w), dx
        yield "winograd_weights_gradient", called("winograd_weights_gradient", w, x, dy), dw


def _taps(
    padded: Values, w: Values, outputs: Sequence[int], stride: Sequence[int], rate: Sequence[int]
) -> Iterator[tuple[Any, Any]]:
    """For each tap of the kernel, the slices over space of the inputs that it meets."""
    for tap in product(*map(range, w.shape[:-2])):
        starts = [t * r for t, r in zip(tap, rate, strict=True)]
        yield tap, tuple(slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, outputs, stride, strict=True))


def _padded(x: Values, padding: Sequence[tuple[int, int]]) -> Values:
    return np.pad(x, [(0, 0), *padding, (0, 0)])


def reference(x: Values, w: Values, stride: Any, rate: Any, padding: Any, groups: int) -> Values:
    """A convolution as its definition says, tap by tap."""
    padded, size = _padded(x, padding), w.shape[:-2]
    space = [(n - (k - 1) * r - 1) // s + 1 for n, k, r, s in zip(padded.shape[1:-1], size, rate, stride, strict=True)]
    y = np.zeros((x.shape[0], *space, w.shape[-1]))
    for tap, where in _taps(padded, w, space, stride, rate):
        y += _by_group(padded[(slice(None), *where)], w[tap], groups)
    return y


def gradients(
    x: Values, w: Values, dy: Values, stride: Any, rate: Any, padding: Any, groups: int
) -> tuple[Values, Values]:
    """Its gradients by the inputs and by the weights."""
    padded = _padded(x, padding)
    dx, dw = np.zeros_like(padded), np.zeros_like(w)
    for tap, where in _taps(padded, w, dy.shape[1:-1], stride, rate):
        region: Any = (slice(None), *where)
        for g in range(groups):
            ins, outs = _share(x.shape[-1], groups, g), _share(w.shape[-1], groups, g)
            dx[(*region, ins)] += dy[..., outs] @ w[(*tap, slice(None), outs)].T
            rows = padded[(*region, ins)].reshape(-1, ins.stop - ins.start)
            dw[(*tap, slice(None), outs)] += rows.T @ dy[..., outs].reshape(-1, outs.stop - outs.start)
    inner = tuple(slice(low, low + n) for (low, _), n in zip(padding, x.shape[1:-1], strict=True))
    return dx[(slice(None), *inner)], dw


def _by_group(x: Values, w: Values, groups: int) -> Values:
    parts = [x[..., _share(x.shape[-1], groups, g)] @ w[:, _share(w.shape[-1], groups, g)] for g in range(groups)]
    return np.concatenate(parts, -1)


def _share(channels: int, groups: int, group: int) -> slice:
    each = channels // groups
    return slice(group * each, (group + 1) * each)


def _sums(jax: Any, random: Any) -> Iterator[tuple[str, Any, Values]]:
    a, b = random.standard_normal((7, 211, 13)) + 5, random.standard_normal((7, 211, 13))
    shift = random.standard_normal(13)
    single = [v.astype(np.float32) for v in (a, b, shift)]
    one, two, off = (v.astype(np.float64) for v in single)
    like = jax.ShapeDtypeStruct((2, 13), np.float32)
    moved = one - off
    want = np.stack([moved.sum((0, 1)), (moved**2).sum((0, 1))])
    yield "channel_powers", jax.ffi.ffi_call("slimtrain_channel_powers", like)(single[0], single[2]), want
    want = np.stack([one.sum((0, 1)), (one * (two - off)).sum((0, 1))])
    yield "channel_products", jax.ffi.ffi_call("slimtrain_channel_products", like)(*single), want


def _choices(jax: Any, random: Any) -> Iterator[tuple[str, Any, Values]]:
    arrays = [random.standard_normal(size).astype(np.float32) for size in (5, 100_003, 70_000)]
    finite = jax.ffi.ffi_call("slimtrain_all_finite", jax.ShapeDtypeStruct((), np.bool_))
    yield "all_finite", finite(*arrays), np.array(1.0)
    for bad, array in product((np.nan, np.inf, -np.inf), range(len(arrays))):
        spoilt = [a.copy() for a in arrays]
        spoilt[array][-1] = bad
        yield f"all_finite with {bad}", 1 - np.float64(finite(*spoilt)), np.array(1.0)
    likes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays]
    places = {1 + place: place for place in range(len(arrays))}
    kept = jax.ffi.ffi_call("slimtrain_kept_unless", likes, input_output_aliases=places)
    new = [a + 1 for a in arrays]
    for good, wanted in ((True, new), (False, arrays)):
        for got, want in zip(kept(np.bool_(good), *new, *arrays), wanted, strict=True):
            yield f"kept_unless of {good}", got, want


def _draws(jax: Any) -> Iterator[tuple[str, Any, Values]]:
    """JAX's own draws, all of them the same."""
    key, size = np.array([123456789, 4000000000], np.uint32), 70_001
    draw = jax.ffi.ffi_call("slimtrain_bernoulli", jax.ShapeDtypeStruct((size,), np.bool_))
    with jax.threefry_partitionable(True):
        for probability in (0.3, 0.5, 1.0):
            wanted = jax.random.bernoulli(jax.random.wrap_key_data(key, impl="threefry2x32"), probability, (size,))
            same = np.array_equal(draw(key, probability=np.float32(probability)), wanted)
            yield f"draws of {probability}", np.float64(same), np.array(1.0)


def _momentum(nesterov: int, gradient: Values, moment: Values, value: Values) -> tuple[Values, ...]:
    moment = 0.5 * moment + gradient
    return moment, value - 0.25 * (0.5 * moment + gradient if nesterov else moment)


def _adam(gradient: Values, mean: Values, square: Values, value: Values) -> tuple[Values, ...]:
    mean, square = 0.5 * mean + 0.375 * gradient, 0.75 * square + 0.125 * gradient**2
    return mean, square, value - 0.25 * 2.0 * mean / (np.sqrt(square) + 0.0625)


def _adamw(gradient: Values, mean: Values, square: Values, value: Values) -> tuple[Values, ...]:
    mean, square = 0.5 * mean + 0.375 * gradient, 0.75 * square + 0.125 * gradient**2
    decayed = 0.5 * value if value.ndim > 1 else 0.0
    return mean, square, value - 0.25 * (mean / 0.75 / (np.sqrt(square / 0.5) + 0.0625) + decayed)


def _adagrad(gradient: Values, total: Values, value: Values) -> tuple[Values, ...]:
    total = total + gradient**2
    return total, value - 0.25 * gradient / np.sqrt(total)


def _rmsprop(gradient: Values, square: Values, step: Values, value: Values, spread: Any = 0.0) -> tuple[Values, ...]:
    square = 0.75 * square + 0.125 * gradient**2
    step = 0.5 * step - 0.25 * gradient / np.sqrt(square - spread + 0.0625)
    return square, step, value + step


def _centered(gradient: Values, mean: Values, square: Values, step: Values, value: Values) -> tuple[Values, ...]:
    mean = 0.75 * mean + 0.125 * gradient
    return mean, *_rmsprop(gradient, square, step, value, spread=mean**2)


RULES: tuple[tuple[str, dict[str, Any], tuple[float, ...], int, int, Any], ...] = (
    # target, its attributes, its factors, kinds of moments, which of them are mean squares or -1 (the kind before it
    # are means of the same), (gradient, *moments, value) -> (*moments, value)
    ("sgd", {}, (0.25,), 0, -1, lambda gradient, value: (value - 0.25 * gradient,)),
    ("momentum", {"nesterov": np.int64(0)}, (0.25, 0.5), 1, -1, partial(_momentum, 0)),
    ("momentum", {"nesterov": np.int64(1)}, (0.25, 0.5), 1, -1, partial(_momentum, 1)),
    ("adam", {}, (0.25, 2.0, 0.5, 0.375, 0.75, 0.125, 0.0625), 2, 1, _adam),
    ("adamw", {}, (0.25, 0.75, 0.5, 0.5, 0.375, 0.75, 0.125, 0.0625, 0.5), 2, 1, _adamw),
    ("adagrad", {}, (0.25,), 1, 0, _adagrad),
    ("rmsprop", {"centered": np.int64(0)}, (0.25, 0.5, 0.75, 0.125, 0.0625), 2, 0, _rmsprop),
    ("rmsprop", {"centered": np.int64(1)}, (0.25, 0.5, 0.75, 0.125, 0.0625), 3, 1, _centered),
)


def _optimizers(jax: Any, random: Any) -> Iterator[tuple[str, Any, Values]]:
    for name, words, factors, moments, squares, rule in RULES:
        shapes: tuple[tuple[int, ...], ...] = ((5,), (100_003,), (700, 100))
        count, written = len(shapes), moments + 1
        arrays = [random.standard_normal(shape).astype(np.float32) for shape in (written + 1) * shapes]
        for i in range(count) if squares >= 0 else ():
            place = squares * count + i
            arrays[place] = np.abs(arrays[place]) + (arrays[place - count] ** 2 if squares else 0)
        likes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays[: written * count]]
        places = {1 + place: place for place in range(written * count)}
        likes.append(jax.ShapeDtypeStruct((), np.bool_))
        call = partial(jax.ffi.ffi_call(f"slimtrain_{name}", likes, input_output_aliases=places), **words)
        by, not_allowed = (np.array([allowed, *factors], np.float32) for allowed in (0, np.nan))
        *got, taken = call(by, *arrays)
        yield f"{name}'s choice", taken, np.array(1.0)
        exact = [a.astype(np.float64) for a in arrays]
        for i in range(count):
            *before, gradient = exact[i::count]
            for part, want in enumerate(rule(gradient, *before)):
                yield f"{name}'s result {part}", got[part * count + i], want
        for bad, place in product((np.nan, np.inf), range(-1, len(arrays))):
            spoilt = list(arrays)
            if place >= 0:
                spoilt[place] = arrays[place].copy()
                spoilt[place].flat[-1] = bad
            *got, taken = call(by if place >= 0 else not_allowed, *spoilt)
            yield f"{name}'s choice at {bad}", 1 - np.float64(taken), np.array(1.0)
            pairs = zip(got, spoilt[: written * count], strict=True)
            same = all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
            yield f"what {name} leaves", np.float64(same), np.array(1.0)


def _responses(jax: Any, random: Any) -> Iterator[tuple[str, Any, Values]]:
    """Of channels in whole vectors and not, and of fewer than there are neighbours."""
    for channels, radius, quarters in ((64, 4, 3), (37, 5, 2), (3, 4, 3), (1, 0, 2)):
        x, dy = (random.standard_normal((7, 29, channels)).astype(np.float32) for _ in range(2))
        words = {"radius": np.int64(radius), "bias": np.float32(1.5), "alpha": np.float32(0.25)}
        like = jax.ShapeDtypeStruct(x.shape, x.dtype)
        one, change = x.astype(np.float64), dy.astype(np.float64)
        near = abs(np.subtract.outer(np.arange(channels), np.arange(channels))) <= radius
        base = 1.5 + 0.25 * one**2 @ near
        power = base ** (-quarters / 4)
        got = jax.ffi.ffi_call("slimtrain_response", like)(x, quarters=np.int64(quarters), **words)
        yield "response", got, one * power
        got = jax.ffi.ffi_call("slimtrain_response_gradient", like)(x, dy, quarters=np.int64(quarters), **words)
        shared = (change * one * power / base) @ near
        yield "response_gradient", got, change * power - 0.125 * quarters * one * shared


if __name__ == "__main__":
    main(sys.argv[1])
