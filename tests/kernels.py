"""Convolutions in float64 by their definition, tap by tap, random ones, and the answers of each way to compute one."""

from functools import lru_cache, partial
from itertools import product

import hypothesis.strategies as st
import jax
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import mlir
from nets import numbers

from slimtrain.native import WIDEST, ready
from slimtrain.net.choice import KINDS
from slimtrain.net.geometry import Geometry, geometry
from slimtrain.net.lowerings import WAYS, custom_call

NATIVE = {
    "direct": ("forward", "input_gradient"),
    "onednn": KINDS,
    "products": ("weights_gradient",),
    "winograd": KINDS,
}
"""What the native ways compute."""


def _flat(shapes, results):
    """Whether one of the native part's own kernels takes it."""
    return shapes.groups == 1 and len(shapes.size) <= 2 and results % WIDEST == 0


FITS = {
    "product": lambda kind, shapes: shapes.pointwise,
    "shifted": lambda kind, shapes: shapes.depthwise,
    "columns": lambda kind, shapes: shapes.groups == 1,
    "direct": lambda kind, shapes: (
        _flat(shapes, shapes.weights[-1] if kind == "forward" else shapes.weights[-2])
        and (kind == "forward" or not shapes.strided)
    ),
    "products": lambda kind, shapes: _flat(shapes, shapes.weights[-1]),
    "winograd": lambda kind, shapes: (
        _flat(shapes, shapes.weights[-1])
        and _flat(shapes, shapes.weights[-2])
        and shapes.size in ((3, 3), (5, 5))
        and {*shapes.stride, *shapes.rate} == {1}
    ),
}
"""The shapes that a way takes; the others take all."""


@st.composite
def geometries(draw, ranks=(1, 2, 3), groups=("one", "several", "all"), kernels=None):
    """Convolutions of small odd values; `kernels` bounds the kernel's size."""
    rank = draw(st.sampled_from(ranks))
    largest = {1: 30, 2: 13, 3: 6}[rank]

    def each(low, high):
        return tuple(draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank)))

    parted, each_in, each_out = draw(_channels(groups))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    size, rate = each(1, kernels or (5 if rank < 3 else 3)), each(1, 3)
    least = [(k - 1) * r + 1 if padding == "VALID" else 1 for k, r in zip(size, rate, strict=True)]
    space = [draw(st.integers(n, max(n, largest))) for n in least]
    inputs = (draw(st.integers(1, 3)), *space, parted * each_in)
    return geometry(inputs, (*size, each_in, parted * each_out), each(1, 3), padding, rate, parted)


@st.composite
def tiled(draw):
    """Square kernels that move by one pixel, over few and many tiles of outputs, of few and many channels."""
    batch, height, width = draw(st.sampled_from([1, 2, 9])), draw(st.integers(1, 17)), draw(st.integers(1, 17))
    read, written = (draw(st.sampled_from([16, 32, 48, 80, 272])) for _ in range(2))
    size = draw(st.sampled_from([3, 5]))
    padding = draw(st.sampled_from(["SAME", "VALID"] if min(height, width) >= size else ["SAME"]))
    return geometry((batch, height, width, read), (size, size, read, written), (1, 1), padding, (1, 1))


def reference(kind, first, second, shapes):
    """What `kind` is of two arrays, in float64 by the definition."""
    if kind == "forward":
        return _forward(_padded(first, shapes), second.astype(np.float64), shapes)
    if kind == "input_gradient":
        return _input_gradient(first.astype(np.float64), second.astype(np.float64), shapes)
    return _weights_gradient(_padded(first, shapes), second.astype(np.float64), shapes)


def arguments(kind, shapes):
    """Two arrays for `kind`."""
    first, second = {
        "forward": (shapes.inputs, shapes.weights),
        "input_gradient": (shapes.outputs, shapes.weights),
        "weights_gradient": (shapes.inputs, shapes.outputs),
    }[kind]
    return numbers(*first), numbers(*second, seed=1)


def result(kind, shapes):
    """The shape of what `kind` computes."""
    return {"forward": shapes.outputs, "input_gradient": shapes.inputs, "weights_gradient": shapes.weights}[kind]


def ways(kind, shapes):
    """The ways that compute `kind` of such a convolution."""
    plain = [way for way, computed in WAYS.items() if kind in computed]
    native = [way for way in custom_call.TARGETS if kind in NATIVE[way]] if ready() else []
    return [way for way in (*plain, *native) if way not in FITS or FITS[way](kind, shapes)]


def by(way, kind, shapes):
    """`kind` as a way computes it, compiled as in a net."""
    return jax.jit(partial(_primitive(way, kind).bind, geometry=shapes))


def agrees(way, kind, shapes):
    """Asserts that a way is the definition, up to rounding."""
    given = arguments(kind, shapes)
    want, got = reference(kind, *given, shapes), np.asarray(by(way, kind, shapes)(*given))
    assert got.shape == want.shape and got.dtype == np.float32
    np.testing.assert_allclose(got, want, 0, 1e-5 * np.abs(want).max(initial=1e-30), err_msg=f"{way} {kind} {shapes}")


@lru_cache
def _primitive(way, kind):
    made = Primitive(f"{way}_{kind}")
    made.def_abstract_eval(lambda x, y, *, geometry: jax.core.ShapedArray(result(kind, geometry), x.dtype))
    mlir.register_lowering(made, _lowering(way, kind), platform="cpu")
    return made


def _lowering(way, kind):
    if way in custom_call.TARGETS:
        return custom_call.rule(kind, way)
    return mlir.lower_fun(lambda x, y, *, geometry: WAYS[way][kind](x, y, geometry), multiple_results=False)


@st.composite
def _channels(draw, groups):
    """Groups, input channels of one and output channels of one."""
    of = draw(st.sampled_from(groups))
    if of == "one":
        wide = st.integers(1, 257)
        narrow = st.sampled_from([1, 2, 3, 5, 8, 16, 17, 32])
        return 1, *draw(st.one_of(st.tuples(wide, narrow), st.tuples(narrow, wide)))
    if of == "several":
        return draw(st.integers(2, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return draw(st.integers(2, 65)), 1, draw(st.integers(1, 3))


def _padded(inputs, shapes: Geometry):
    return np.pad(inputs.astype(np.float64), ((0, 0), *shapes.padding, (0, 0)))


def _taps(shapes):
    """Each tap with the padded inputs' pixels that it meets."""
    for tap in product(*map(range, shapes.size)):
        steps = zip(tap, shapes.rate, shapes.outputs[1:-1], shapes.stride, strict=True)
        yield tap, (slice(None), *(slice(t * r, t * r + (n - 1) * s + 1, s) for t, r, n, s in steps))


def _grouped(values, groups):
    return values.reshape(*values.shape[:-1], groups, values.shape[-1] // groups)


def _forward(padded, weights, shapes):
    outputs = np.zeros((*shapes.outputs[:-1], shapes.groups, shapes.outputs[-1] // shapes.groups))
    for tap, met in _taps(shapes):
        outputs += np.einsum(
            "...gi,igo->...go", _grouped(padded[met], shapes.groups), _grouped(weights[tap], shapes.groups)
        )
    return outputs.reshape(shapes.outputs)


def _input_gradient(outputs, weights, shapes):
    padded = _padded(np.zeros(shapes.inputs), shapes)
    for tap, met in _taps(shapes):
        parts = np.einsum("...go,igo->...gi", _grouped(outputs, shapes.groups), _grouped(weights[tap], shapes.groups))
        padded[met] += parts.reshape(*parts.shape[:-2], -1)
    inner = [slice(low, low + n) for (low, _), n in zip(shapes.padding, shapes.inputs[1:-1], strict=True)]
    return padded[:, *inner]


def _weights_gradient(padded, outputs, shapes):
    weights = np.zeros(shapes.weights)
    given = _pixels(outputs, shapes.groups)
    for tap, met in _taps(shapes):
        parts = np.einsum("pgi,pgo->igo", _pixels(padded[met], shapes.groups), given)
        weights[tap] = parts.reshape(weights[tap].shape)
    return weights


def _pixels(values, groups):
    return values.reshape(-1, groups, values.shape[-1] // groups)
