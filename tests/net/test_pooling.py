"""The one door of pools; tests/net/layers/test_geometries.py holds them to their definition in any geometry."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from nets import numbers

from slimtrain.net.pooling import MOST, avg_pool, max_pool
from slimtrain.net.windows import over_space

GEOMETRIES = [
    ((7, 6), (2, 2), (2, 2), "VALID"),
    ((7, 9), (3, 3), (2, 2), "SAME"),
    ((8, 7), (3, 2), (2, 3), "SAME"),
    ((5, 8), (3, 3), (1, 1), "SAME"),
    ((9, 8), (2, 3), (3, 4), "VALID"),
    ((4, 5), (4, 5), (1, 1), "VALID"),
    ((1, 3), (3, 3), (2, 2), "SAME"),
    ((12, 13), (7, 6), (3, 2), "SAME"),
]
KINDS = {max_pool: (lax.max, -jnp.inf), avg_pool: (lax.add, 0.0)}


def whole(pool, inputs, size, stride, padding, data_format):
    """The pool in XLA's own windows."""
    join, start = KINDS[pool]
    spans = over_space(size, data_format), over_space(stride, data_format)
    total = lax.reduce_window(inputs, start, join, *spans, padding)
    return (
        total if pool is max_pool else total / lax.reduce_window(jnp.ones_like(inputs), 0.0, lax.add, *spans, padding)
    )


@pytest.mark.parametrize("pool", KINDS, ids=lambda pool: pool.__name__)
@pytest.mark.parametrize("channels", [1, 3, 257])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize(("space", "size", "stride", "padding"), GEOMETRIES)
def test_it_is_xlas_pool(pool, channels, data_format, space, size, stride, padding):
    inputs = np.maximum(numbers(2, *space, channels), 0.0)  # half of them equal, as after a relu
    inputs = jnp.moveaxis(inputs, -1, 1) if data_format == "NCHW" else jnp.asarray(inputs)

    def both(x, way):
        outputs, pull = jax.vjp(lambda x: way(x, size, stride, padding, data_format), x)
        return outputs, pull(jnp.sin(3 * outputs))[0]

    found, wanted = (jax.jit(partial(both, way=way))(inputs) for way in (pool, partial(whole, pool)))
    np.testing.assert_allclose(found[0], wanted[0], 1e-5, 1e-6)
    np.testing.assert_allclose(found[1], wanted[1], 1e-4, 1e-4)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_pools_keep_half_precision_and_the_value_of_a_constant(padding):
    inputs = jnp.full((1, 5, 5, 2), -3, jnp.bfloat16)
    for pool in (max_pool, avg_pool):
        got = pool(inputs, (3, 3), (2, 2), padding, "NHWC")
        assert got.dtype == jnp.bfloat16
        np.testing.assert_array_equal(np.asarray(got, np.float32), np.full(got.shape, -3, np.float32))


def test_the_largest_of_whole_numbers():
    inputs = jnp.asarray([[[-5], [-7], [-3]]], jnp.int32)
    np.testing.assert_array_equal(max_pool(inputs, (2,), (2,), "SAME", "NWC"), [[[-5], [-3]]])


@pytest.mark.parametrize("place", range(4))
def test_a_window_with_a_nan_is_nan_and_passes_its_gradient_on_once(place):
    inputs = jnp.asarray(np.where(np.arange(4) == place, np.nan, 1.0).reshape(1, 2, 2, 1), jnp.float32)
    outputs, pull = jax.vjp(jax.jit(lambda x: max_pool(x, (2, 2), (2, 2), "VALID", "NHWC")), inputs)
    assert np.isnan(outputs).all()
    assert jnp.sum(pull(jnp.ones_like(outputs))[0]) == 1


def test_padding_never_has_the_gradient():
    inputs = jnp.full((1, 3, 3, 1), -jnp.inf)
    outputs, pull = jax.vjp(jax.jit(lambda x: max_pool(x, (3, 3), (1, 1), "SAME", "NHWC")), inputs)
    assert jnp.sum(pull(jnp.ones_like(outputs))[0]) == outputs.size


def steps(pool, size, stride):
    """A pool's gradient under everything that a train step may put on it."""
    loss = jax.checkpoint(lambda x: jnp.sum(jnp.square(pool(x, size, stride, "SAME", "NHWC"))))
    return jax.jit(jax.vmap(jax.grad(loss)))


@pytest.mark.parametrize("pool", KINDS, ids=lambda pool: pool.__name__)
def test_accelerators_keep_xlas_way(pool):
    scattered = "select_and_scatter" if pool is max_pool else "reduce_window"
    shape = jax.ShapeDtypeStruct((2, 3, 9, 8, 4), jnp.float32)
    for platform in ("cpu", "cuda", "tpu"):
        program = jax.export.export(steps(pool, (3, 3), (2, 2)), platforms=(platform,))(shape).mlir_module()
        assert (scattered in program) is (platform != "cpu")
    both = jax.export.export(steps(pool, (3, 3), (2, 2)), platforms=("cpu", "cuda"))(shape)
    inputs = numbers(*shape.shape)
    np.testing.assert_allclose(both.call(inputs), steps(pool, (3, 3), (2, 2))(inputs), 1e-5, 1e-6)


@pytest.mark.parametrize("pool", KINDS, ids=lambda pool: pool.__name__)
def test_a_window_of_very_many_elements_is_xlas_everywhere(pool):
    inputs = jax.ShapeDtypeStruct((1, 30, 30, 2), jnp.float32)
    for size, found in (((8, MOST // 8), False), ((8, MOST // 8 + 1), True)):
        program = jax.jit(lambda x, size=size: pool(x, size, (4, 4), "VALID", "NHWC")).lower(inputs).as_text()
        assert ("reduce_window" in program) is found


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_an_average_counts_its_windows_once_for_all_channels(data_format):
    inputs = numbers(2, 5, 5, 64)
    program = jax.jit(lambda x: avg_pool(x, (3, 3), (1, 1), "SAME", data_format)).lower(inputs).as_text()
    shapes = re.findall(r"constant dense<.*?> : tensor<(\S+)xf32>", program)
    assert ("1x5x5x1" if data_format == "NHWC" else "1x1x5x64") in shapes
    assert "2x5x5x64" not in shapes
