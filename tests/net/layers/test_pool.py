"""Pools against their definition, by TensorFlow's padding rules: padding is never the largest and never counted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import layers, numbers, scope, windows

from slimtrain.errors import ConfigError
from slimtrain.net.layers.pool import avg_pool2d, global_avg_pool, max_pool2d, reduce_mean

SMALL = st.integers(1, 3)


@st.composite
def geometries(draw):
    kernel, stride = draw(st.tuples(SMALL, SMALL)), draw(st.tuples(SMALL, SMALL))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    size = [draw(st.integers(k if padding == "VALID" else 1, k + 3)) for k in kernel]
    return size, kernel, stride, padding, draw(st.sampled_from(["NHWC", "NCHW"]))


def cells(size, kernel, stride, padding):
    """For each output pixel, the slices of the inputs that its window covers."""
    spans = []
    for one in zip(size, kernel, stride, strict=True):
        n, k, s = one
        count, before, _ = windows(n, k, s, 1, padding)
        spans.append([slice(max(i * s - before, 0), min(i * s - before + k, n)) for i in range(count)])
    return [len(s) for s in spans], {(i, j): (a, b) for i, a in enumerate(spans[0]) for j, b in enumerate(spans[1])}


def expected(inputs, kind, geometry, cotangent_seed=5):
    """(outputs, cotangent, gradient of the inputs), NHWC, float64."""
    outer, parts = cells(*geometry)
    outputs = np.zeros((inputs.shape[0], *outer, inputs.shape[-1]))
    cotangent = numbers(*outputs.shape, seed=cotangent_seed).astype(np.float64)
    gradient = np.zeros(inputs.shape)
    for (i, j), (down, across) in parts.items():
        window = inputs[:, down, across].astype(np.float64)
        share = cotangent[:, i, j][:, None, None]
        if kind == "max":
            outputs[:, i, j] = window.max((1, 2))
            gradient[:, down, across] += share * (window == outputs[:, i, j][:, None, None])
        else:
            outputs[:, i, j] = window.mean((1, 2))
            gradient[:, down, across] += share / (window.shape[1] * window.shape[2])
    return outputs, cotangent, gradient


@pytest.mark.parametrize(("kind", "pool"), [("max", max_pool2d), ("avg", avg_pool2d)])
@given(geometry=geometries())
@settings(max_examples=7, deadline=None, derandomize=True)
def test_any_geometry_agrees_with_the_definition(kind, pool, geometry):
    *windowed, data_format = geometry
    size, kernel, stride, padding = windowed
    inputs = numbers(2, *size, 2) - 10  # all negative: a padding of 0 would be the largest
    want, cotangent, of_inputs = expected(inputs, kind, windowed)
    first = (lambda a: jnp.moveaxis(a, -1, 1)) if data_format == "NCHW" else jnp.asarray

    def compute(inputs):
        return pool(scope(), first(inputs), kernel_size=kernel, stride=stride, padding=padding, data_format=data_format)

    got, pull = jax.vjp(compute, inputs)
    np.testing.assert_allclose(got, first(want), 1e-5, 1e-5)
    (gradient,) = pull(first(cotangent.astype(np.float32)))
    np.testing.assert_allclose(gradient, of_inputs, 1e-5, 1e-5)


def test_the_defaults_are_stride_2_and_valid():
    for op in ("max_pool2d", "avg_pool2d"):
        assert layers(f"[{op}: {{kernel_size: 2}}]", (5, 5, 1)).network.declaration.output_shape == (2, 2, 2, 1)


def test_ties_give_the_gradient_to_one_element():
    gradient = jax.grad(lambda x: jnp.sum(max_pool2d(scope(), x, kernel_size=(2, 2))))(jnp.ones((1, 2, 2, 1)))
    assert jnp.sum(gradient) == 1 and jnp.max(gradient) == 1


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_global_average(data_format):
    inputs = numbers(2, 3, 4, 5)
    axes = (2, 3) if data_format == "NCHW" else (1, 2)
    want = inputs.astype(np.float64).mean(axes)
    np.testing.assert_allclose(global_avg_pool(scope(), inputs, data_format=data_format), want, 1e-5, 1e-6)
    kept = global_avg_pool(scope(), inputs, data_format=data_format, keep_dims=True)
    np.testing.assert_allclose(kept, np.expand_dims(want, axes), 1e-5, 1e-6)


def test_mean_over_axes():
    inputs = numbers(2, 3, 4, 5)
    want = inputs.astype(np.float64).mean((1, 3))
    np.testing.assert_allclose(reduce_mean(scope(), inputs, axis=(1, -1)), want, 1e-5, 1e-6)
    assert reduce_mean(scope(), inputs, axis=(1, 1, -3), keep_dims=True).shape == (2, 1, 4, 5)
    for axis in (0, 4, -4):
        with pytest.raises(ConfigError, match=f"axis {axis} is no axis of an example, of inputs of rank 4"):
            layers(f"[reduce_mean: {{axis: [{axis}]}}]")


def test_a_window_larger_than_the_inputs_is_refused():
    with pytest.raises(ConfigError, match=r"kernel_size \[5, 5\] is larger than the inputs"):
        layers("[max_pool2d: {kernel_size: 5}]", (4, 4, 2))
    assert layers("[max_pool2d: {kernel_size: 5, padding: SAME}]").network.declaration.output_shape == (2, 2, 2, 2)
