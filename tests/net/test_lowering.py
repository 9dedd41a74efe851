"""The one door of convolutions and pools."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import numbers

from slimtrain.net.lowering import avg_pool, convolution, convolution_flops, max_pool


@pytest.mark.parametrize("data_format", ["NWC", "NHWC", "NCHW", "NDHWC"])
def test_a_kernel_of_one_is_a_matrix_in_any_format(data_format):
    rank = len(data_format) - 2
    inputs, weights = numbers(2, *(3,) * rank, 4), numbers(*(1,) * rank, 4, 5)
    first = data_format.startswith("NC")
    given = np.moveaxis(inputs, -1, 1) if first else inputs
    ones = (1,) * rank
    got = convolution(given, weights, stride=ones, padding="SAME", rate=ones, data_format=data_format)
    want = inputs @ weights.reshape(4, 5)
    np.testing.assert_allclose(np.moveaxis(got, 1, -1) if first else got, want, 1e-4, 1e-5)
    assert convolution_flops(got, weights) == 2 * got.size * 4


def test_groups_part_the_channels():
    inputs, weights = numbers(1, 2, 2, 4), numbers(1, 1, 2, 6)
    got = convolution(inputs, weights, stride=(1, 1), padding="SAME", rate=(1, 1), data_format="NHWC", groups=2)
    halves = [inputs[..., 2 * g : 2 * g + 2] @ weights[0, 0, :, 3 * g : 3 * g + 3] for g in range(2)]
    np.testing.assert_allclose(got, np.concatenate(halves, -1), 1e-4, 1e-5)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_pools_keep_half_precision_and_the_value_of_a_constant(padding):
    inputs = jnp.full((1, 5, 5, 2), -3, jnp.bfloat16)
    for pool in (max_pool, avg_pool):
        got = pool(inputs, (3, 3), (2, 2), padding, "NHWC")
        assert got.dtype == jnp.bfloat16
        np.testing.assert_array_equal(np.asarray(got, np.float32), np.full(got.shape, -3, np.float32))


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_an_average_counts_its_windows_once_for_all_channels(data_format):
    inputs = numbers(2, 5, 5, 64)
    jaxpr = jax.make_jaxpr(lambda x: avg_pool(x, (3, 3), (1, 1), "SAME", data_format))(inputs).jaxpr
    summed = [e.invars[0].aval.size for e in jaxpr.eqns if e.primitive.name == "reduce_window_sum"]
    assert sorted(summed) == [5 * 5 if data_format == "NHWC" else 5 * 64, inputs.size]
