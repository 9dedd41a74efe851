"""A convolution that ends in biases and a relu is the three of them, value and gradients, wherever it is computed."""

from math import inf

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec
from nets import numbers

from slimtrain.net.components import bounds_of, elu, relu, relu6
from slimtrain.net.ended import Bounds
from slimtrain.net.layers.common import channel_axis, with_biases
from slimtrain.net.lowering import convolution, ended_convolution

BOUNDS = [Bounds(0.0, inf), Bounds(0.0, 6.0)]
PLAIN = {"stride": (1, 1), "padding": "SAME", "rate": (1, 1), "data_format": "NHWC"}


def together(bounds, words):
    return lambda inputs, weights, biases: ended_convolution(inputs, weights, biases, bounds, **words)


def apart(bounds, words):
    """The three as layers have them that end otherwise, in JAX's own relus."""
    end, axis = jax.nn.relu if bounds.high == inf else jax.nn.relu6, channel_axis(words["data_format"])
    return lambda inputs, weights, biases: end(with_biases(convolution(inputs, weights, **words), biases, axis))


def both(bounds, words, inputs, weights, biases):
    """(values and gradients together, the same apart)."""
    given = tuple(map(jnp.asarray, (inputs, weights, biases)))
    found = []
    for function in (together(bounds, words), apart(bounds, words)):
        outputs, pull = jax.vjp(jax.jit(function), *given)
        found.append((outputs, *pull(jnp.asarray(numbers(*outputs.shape, seed=9), outputs.dtype))))
    return found


def agrees(found, wanted, tolerance=2e-5):
    for got, want in zip(found, wanted, strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        got, want = np.asarray(got, np.float32), np.asarray(want, np.float32)
        np.testing.assert_allclose(got, want, 0, tolerance * max(1.0, np.abs(want).max(initial=0)))


@settings(max_examples=25)
@given(
    st.integers(1, 9),
    st.tuples(st.integers(3, 12), st.integers(3, 12)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 33),
    st.integers(1, 33),
    st.tuples(st.integers(1, 2), st.integers(1, 3)),
    st.sampled_from(["SAME", "VALID"]),
    st.sampled_from(["NHWC", "NCHW"]),
    st.sampled_from(BOUNDS),
)
def test_it_is_a_convolution_a_sum_and_a_relu(batch, space, size, read, written, stride, padding, data_format, bounds):
    shape = (batch, read, *space) if data_format == "NCHW" else (batch, *space, read)
    words = {**PLAIN, "stride": stride, "padding": padding, "data_format": data_format}
    inputs, weights = 2 * numbers(*shape, seed=1), numbers(*size, read, written, seed=2)
    agrees(*both(bounds, words, inputs, weights, numbers(written, seed=3)))


@pytest.mark.parametrize("batch", [1, 2, 37, 130])
def test_batches_that_are_ended_some_examples_at_a_time(batch):
    """More examples than the cache takes the outputs of, in parts of unequal sizes."""
    agrees(*both(BOUNDS[1], PLAIN, 3 * numbers(batch, 28, 28, 3), numbers(5, 5, 3, 32), numbers(32)))


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("shape, size", [((37, 9, 8, 16), 3), ((1, 7, 12, 48), 3), ((9, 8, 11, 16), 5)])
def test_tiles_are_ended_where_they_are_put_together(shape, size, bounds):
    agrees(*both(bounds, PLAIN, 2 * numbers(*shape), numbers(size, size, shape[-1], 32, seed=2), numbers(32, seed=3)))


def test_half_precision_and_an_empty_batch():
    half = [jnp.asarray(v, jnp.bfloat16) for v in (numbers(3, 8, 8, 4), numbers(3, 3, 4, 16), numbers(16))]
    agrees(*both(BOUNDS[0], PLAIN, *half), 1e-2)
    agrees(*both(BOUNDS[0], PLAIN, numbers(0, 8, 8, 4), numbers(3, 3, 4, 16), numbers(16)))


def test_at_a_bound_there_is_no_gradient():
    zeros = np.zeros((1, 3, 3, 1), np.float32), np.zeros((1, 1, 1, 16), np.float32), np.zeros(16, np.float32)
    for biases in (zeros[2], zeros[2] + 6):
        gradient = jax.grad(lambda b: jnp.sum(ended_convolution(*zeros[:2], b, BOUNDS[1], **PLAIN)))(biases)
        np.testing.assert_array_equal(gradient, zeros[2])


@pytest.mark.parametrize("channels", [3, 16])
@pytest.mark.parametrize("bounds", BOUNDS)
def test_what_is_not_a_number_stays_so(bounds, channels):
    inputs = numbers(2, 6, 6, channels)
    inputs[1, 3, 3, 0] = np.nan
    outputs = ended_convolution(inputs, numbers(3, 3, channels, 16), numbers(16), bounds, **PLAIN)
    assert np.isnan(outputs[1, 2:5, 2:5]).all() and np.isfinite(outputs[0]).all()


def test_mapped_rematerialized_and_over_several_devices_it_is_the_same():
    inputs, weights, biases = numbers(8, 6, 6, 4), numbers(3, 3, 4, 16), numbers(16)
    function = together(BOUNDS[0], PLAIN)
    wanted = function(inputs, weights, biases)
    each = jax.vmap(function, (0, None, None))(inputs.reshape(2, 4, 6, 6, 4), weights, biases)
    np.testing.assert_allclose(each.reshape(wanted.shape), wanted, 1e-4, 1e-5)
    slopes = [
        jax.grad(lambda w, f=f: jnp.sum(f(inputs, w, biases) ** 2))(weights)
        for f in (function, jax.checkpoint(function))
    ]
    np.testing.assert_allclose(*slopes, 1e-4, 1e-3)
    parted = NamedSharding(jax.make_mesh((4,), ("batch",)), PartitionSpec("batch"))
    spread = jax.jit(function)(jax.device_put(inputs, parted), weights, biases)
    np.testing.assert_allclose(spread, wanted, 1e-4, 1e-5)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_accelerators_end_by_xla(platform):
    shapes = [jax.ShapeDtypeStruct(s, np.float32) for s in ((8, 6, 6, 4), (3, 3, 4, 16), (16,))]
    step = jax.jit(jax.grad(lambda *given: jnp.sum(together(BOUNDS[0], PLAIN)(*given))))
    assert "slimtrain_" not in jax.export.export(step, platforms=(platform,))(*shapes).mlir_module()


def test_which_activations_only_hold_values():
    assert [bounds_of(f) for f in (relu, relu6, elu, None)] == [*BOUNDS, None, None]
