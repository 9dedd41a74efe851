"""Pools: their defaults, what they refuse, ties; test_geometries.py holds them to their definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers, scope

from slimtrain.errors import ConfigError
from slimtrain.net.layers.pool import avg_pool2d, global_avg_pool, max_pool2d, pool, reduce_mean
from slimtrain.net.scope import LayerError


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


@pytest.mark.parametrize(("size", "length"), [(2, 2**40), (3, 10**5), (2**70, 8)])
def test_windows_without_number_are_refused(size, length):
    inputs = jax.ShapeDtypeStruct((1, length, length, 1), jnp.float32)
    take = lambda x: avg_pool2d(scope(), x, kernel_size=(size, size), stride=(1, 1), padding="SAME")  # noqa: E731
    with pytest.raises(LayerError, match="more than 134217728 places"):
        jax.eval_shape(take, inputs)


def test_a_window_larger_than_the_inputs_is_refused():
    with pytest.raises(ConfigError, match=r"kernel_size \[5, 5\] is larger than the inputs"):
        layers("[max_pool2d: {kernel_size: 5}]", (4, 4, 2))
    assert layers("[max_pool2d: {kernel_size: 5, padding: SAME}]").network.declaration.output_shape == (2, 2, 2, 2)


@pytest.mark.parametrize(("words", "told"), [("padding: SAME", "with padding SAME"), ("stride: 2", "both above 1")])
def test_a_dilated_pool_is_valid_and_of_stride_1(words, told):
    with pytest.raises(ConfigError, match=told):
        layers(f"[pool: {{kernel_size: 2, pooling_type: MAX, dilation_rate: 2, {words}}}]", (4, 4, 2))


def test_a_dilated_largest_value_is_nan_where_one_of_its_values_is():
    inputs = np.where(np.arange(6).reshape(1, 6, 1) == 2, np.nan, 1.0).astype(np.float32)
    outputs = pool(scope(), jnp.asarray(inputs), kernel_size=2, pooling_type="MAX", dilation_rate=2)
    np.testing.assert_array_equal(np.isnan(outputs[0, :, 0]), [True, False, True, False])
