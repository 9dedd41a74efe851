"""The one door of convolutions."""

import numpy as np
import pytest
from nets import numbers

from slimtrain.net.lowering import convolution, convolution_flops


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
