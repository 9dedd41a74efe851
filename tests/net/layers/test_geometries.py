"""Every convolution and pool against its definition: any size, stride, rate and padding, in float64, tap by tap."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import numbers, scope, windows

from slimtrain.net.layers.conv import conv1d, conv2d, conv3d
from slimtrain.net.layers.pool import avg_pool2d, avg_pool3d, max_pool2d, max_pool3d, pool
from slimtrain.net.layers.separable import conv2d_in_plane, separable_conv2d
from slimtrain.net.layers.transposed import conv2d_transpose, conv3d_transpose

CONVOLUTIONS = {1: conv1d, 2: conv2d, 3: conv3d}
TRANSPOSED = {2: conv2d_transpose, 3: conv3d_transpose}
POOLS = {("MAX", 2): max_pool2d, ("AVG", 2): avg_pool2d, ("MAX", 3): max_pool3d, ("AVG", 3): avg_pool3d}
FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}
FEW = settings(max_examples=6, deadline=None, derandomize=True)
CHANNELS = st.integers(1, 9)


class Geometry(NamedTuple):
    """One window over space: sizes of the inputs and of the kernel, stride and rate, one a dimension."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    rate: tuple[int, ...]
    padding: str
    data_format: str

    def spread(self):
        """A function that puts channels where the data format has them, of arrays that have them last."""
        return (lambda a: jnp.moveaxis(a, -1, 1)) if self.data_format[1] == "C" else jnp.asarray

    def taps(self):
        """(outputs a dimension, padding, for each tap of the kernel the part of the padded inputs that it sees)."""
        spans = [windows(*one, self.padding) for one in zip(*self[:4], strict=True)]
        parts = {}
        for tap in np.ndindex(*self.kernel):
            firsts = [i * r for i, r in zip(tap, self.rate, strict=True)]
            cells = zip(firsts, spans, self.stride, strict=True)
            parts[tap] = (slice(None), *(slice(f, f + (n - 1) * s + 1, s) for f, (n, _, _), s in cells))
        return [n for n, _, _ in spans], ((0, 0), *((b, a) for _, b, a in spans), (0, 0)), parts


@st.composite
def geometries(draw, dims, rates=True, dilated=("SAME", "VALID")):
    def each(most):
        return draw(st.tuples(*[st.integers(1, most)] * dims))

    kernel, stride = each(4 if dims < 3 else 3), each(3)
    rate = each(3) if rates and draw(st.booleans()) else (1,) * dims
    stride = (1,) * dims if max(rate) > 1 else stride
    paddings = dilated if max(rate) > 1 else ("SAME", "VALID")
    padding, form = draw(st.sampled_from(paddings)), draw(st.sampled_from(FORMATS[dims]))
    least = [(k - 1) * r + 1 if padding == "VALID" else 1 for k, r in zip(kernel, rate, strict=True)]
    size = tuple(draw(st.integers(n, n + (6 if dims < 3 else 3))) for n in least)
    return Geometry(size, kernel, stride, rate, padding, form)


class Product(NamedTuple):
    """What one tap does with its weights, as einsum subscripts: to inputs x it gives outputs y."""

    forward: str
    of_inputs: str
    of_weights: str


MIXED = Product("xi,io->xo", "xo,io->xi", "xi,xo->io")
DEPTHWISE = Product("xc,cm->xcm", "xcm,cm->xc", "xc,xcm->cm")
IN_PLANE = Product("xc,->xc", "xc,->xc", "xc,xc->")


def flat(values, last):
    return values.reshape(-1, *values.shape[-last:])


def correlated(geometry, product, inputs, weights, last=1):
    """The outputs, tap by tap; `last` axes of the outputs hold channels."""
    outer, pads, parts = geometry.taps()
    padded = np.pad(inputs, pads)
    rows = sum(np.einsum(product.forward, flat(padded[part], 1), weights[tap]) for tap, part in parts.items())
    return rows.reshape(len(inputs), *outer, *rows.shape[-last:])


def scattered(geometry, product, cotangent, weights, channels, last=1):
    """The gradient by the inputs, tap by tap."""
    _, pads, parts = geometry.taps()
    size = [n + sum(p) for n, p in zip(geometry.size, pads[1:-1], strict=True)]
    padded = np.zeros((len(cotangent), *size, channels))
    for tap, part in parts.items():
        rows = np.einsum(product.of_inputs, flat(cotangent, last), weights[tap])
        padded[part] += rows.reshape(padded[part].shape)
    inner = (slice(b, b + n) for n, (b, _) in zip(geometry.size, pads[1:-1], strict=True))
    return padded[(slice(None), *inner)]


def weighed(geometry, product, inputs, cotangent, shape, last=1):
    """The gradient by the weights, tap by tap."""
    _, pads, parts = geometry.taps()
    padded, gradient = np.pad(inputs, pads), np.zeros(shape)
    for tap, part in parts.items():
        gradient[tap] = np.einsum(product.of_weights, flat(padded[part], 1), flat(cotangent, last))
    return gradient


def agree(geometry, op, given, wanted, variables, more):
    """The op's outputs and its gradients by inputs and by each variable are those wanted; (outputs, of each)."""
    spread, (outputs, cotangent, gradients) = geometry.spread(), wanted
    words = {"kernel_size": geometry.kernel, "stride": geometry.stride, "padding": geometry.padding, **more}

    def compute(inputs, variables):
        return op(scope(**variables), spread(inputs), activation_fn=None, biases_initializer=None, **words)

    got, pull = jax.vjp(compute, given, variables)
    np.testing.assert_allclose(got, spread(outputs), 1e-4, 1e-4)
    of_inputs, of_variables = pull(spread(cotangent.astype(np.float32)))
    for gradient, want in zip((of_inputs, *of_variables.values()), gradients, strict=True):
        np.testing.assert_allclose(gradient, want, 2e-4, 2e-4)


@pytest.mark.parametrize("dims", [1, 2, 3])
@given(data=st.data())
@FEW
def test_convolutions(dims, data):
    geometry, inner, outer = data.draw(geometries(dims)), data.draw(CHANNELS), data.draw(CHANNELS)
    inputs, weights = numbers(2, *geometry.size, inner, seed=1), numbers(*geometry.kernel, inner, outer, seed=2)
    x, w = inputs.astype(np.float64), weights.astype(np.float64)
    outputs = correlated(geometry, MIXED, x, w)
    c = numbers(*outputs.shape, seed=3).astype(np.float64)
    gradients = scattered(geometry, MIXED, c, w, inner), weighed(geometry, MIXED, x, c, w.shape)
    more = {"num_outputs": outer, "rate": geometry.rate, "data_format": geometry.data_format}
    agree(geometry, CONVOLUTIONS[dims], inputs, (outputs, c, gradients), {"weights": weights}, more)


@pytest.mark.parametrize("dims", [2, 3])
@given(data=st.data())
@FEW
def test_transposed_convolutions_are_gradients_of_convolutions(dims, data):
    drawn, inner, outer = data.draw(geometries(dims, rates=False)), data.draw(CHANNELS), data.draw(CHANNELS)
    grown = [
        n * s + (max(k - s, 0) if drawn.padding == "VALID" else 0)
        for n, k, s in zip(drawn.size, drawn.kernel, drawn.stride, strict=True)
    ]
    geometry = drawn._replace(size=tuple(grown))
    inputs, weights = numbers(2, *drawn.size, inner, seed=1), numbers(*drawn.kernel, outer, inner, seed=2)
    x, w = inputs.astype(np.float64), weights.astype(np.float64)
    outputs = scattered(geometry, MIXED, x, w, outer)
    c = numbers(*outputs.shape, seed=3).astype(np.float64)
    gradients = correlated(geometry, MIXED, c, w), weighed(geometry, MIXED, c, x, w.shape)
    more = {"num_outputs": outer, "data_format": geometry.data_format}
    agree(geometry, TRANSPOSED[dims], inputs, (outputs, c, gradients), {"weights": weights}, more)


@given(geometry=geometries(2), channels=st.integers(1, 5), multiplier=st.integers(1, 3), outer=CHANNELS)
@FEW
def test_separable_convolutions(geometry, channels, multiplier, outer):
    inputs, depth = (
        numbers(2, *geometry.size, channels, seed=1),
        numbers(*geometry.kernel, channels, multiplier, seed=2),
    )
    mixing = numbers(1, 1, channels * multiplier, outer, seed=3)
    x, w, p = inputs.astype(np.float64), depth.astype(np.float64), mixing[0, 0].astype(np.float64)
    apart = correlated(geometry, DEPTHWISE, x, w, last=2)
    joined = apart.reshape(*apart.shape[:-2], -1)
    c = numbers(*joined.shape[:-1], outer, seed=4).astype(np.float64)
    inside = (c @ p.T).reshape(apart.shape)
    gradients = (
        scattered(geometry, DEPTHWISE, inside, w, channels, last=2),
        weighed(geometry, DEPTHWISE, x, inside, w.shape, last=2),
        (flat(joined, 1).T @ flat(c, 1))[None, None],
    )
    more = {"num_outputs": outer, "depth_multiplier": multiplier, "data_format": geometry.data_format}
    variables = {"depthwise_weights": depth, "pointwise_weights": mixing}
    agree(geometry, separable_conv2d, inputs, (joined @ p, c, gradients), variables, {**more, "rate": geometry.rate})


@given(drawn=geometries(2, rates=False), channels=CHANNELS)
@FEW
def test_convolutions_in_plane(drawn, channels):
    geometry = drawn._replace(data_format="NHWC")
    inputs, weights = numbers(2, *geometry.size, channels, seed=1), numbers(*geometry.kernel, 1, 1, seed=2)
    x, w = inputs.astype(np.float64), weights[..., 0, 0].astype(np.float64)
    outputs = correlated(geometry, IN_PLANE, x, w)
    c = numbers(*outputs.shape, seed=3).astype(np.float64)
    of_weights = weighed(geometry, IN_PLANE, x, c, w.shape)[..., None, None]
    gradients = scattered(geometry, IN_PLANE, c, w, channels), of_weights
    agree(geometry, conv2d_in_plane, inputs, (outputs, c, gradients), {"weights": weights}, {})


def pooled(geometry, kind, inputs, cotangent):
    """(outputs, gradient by the inputs): a tie's gradient goes to its first value, padding counts for nothing."""
    outer, pads, parts = geometry.taps()
    taps = np.stack([np.pad(inputs, pads, constant_values=np.nan)[part] for part in parts.values()])
    if kind == "MAX":
        best = np.argmax(np.where(np.isnan(taps), -np.inf, taps), 0)
        shares = (np.arange(len(taps)).reshape(-1, *[1] * best.ndim) == best).astype(float)
    else:
        shares = ~np.isnan(taps) / np.sum(~np.isnan(taps), 0)
    padded = np.zeros(np.pad(inputs, pads).shape)
    for share, part in zip(shares, parts.values(), strict=True):
        padded[part] += share * cotangent
    inner = (slice(b, b + n) for n, (b, _) in zip(geometry.size, pads[1:-1], strict=True))
    return np.sum(shares * np.nan_to_num(taps), 0), padded[(slice(None), *inner)]


@pytest.mark.parametrize("kind", ["MAX", "AVG"])
@pytest.mark.parametrize("dims", [1, 2, 3])
@given(data=st.data())
@FEW
def test_pools(kind, dims, data):
    geometry, channels = data.draw(geometries(dims, dilated=("VALID",))), data.draw(st.integers(1, 4))
    named = data.draw(st.booleans()) and (kind, dims) in POOLS and max(geometry.rate) == 1
    draw = np.random.default_rng(dims)
    # Few values, all below zero: ties are many, and a padding of 0 would be the largest.
    inputs = draw.integers(-4, -1, (2, *geometry.size, channels)).astype(np.float32)
    cotangent = draw.normal(size=(2, *geometry.taps()[0], channels))
    outputs, gradient = pooled(geometry, kind, inputs.astype(np.float64), cotangent)
    words = {"kernel_size": geometry.kernel, "stride": geometry.stride, "padding": geometry.padding}
    op = POOLS[kind, dims] if named else pool
    words |= {} if named else {"pooling_type": kind, "dilation_rate": geometry.rate}
    spread = geometry.spread()
    compute = lambda x: op(scope(), spread(x), data_format=geometry.data_format, **words)  # noqa: E731
    got, pull = jax.vjp(compute, inputs)
    np.testing.assert_allclose(got, spread(outputs), 1e-5, 1e-5)
    np.testing.assert_allclose(pull(spread(cotangent.astype(np.float32)))[0], gradient, 1e-4, 1e-5)
