"""What the self-test computes: right here, and told where it is not."""

import numpy as np
import pytest

from slimtrain.jobs.kernels import KERNELS, difference
from slimtrain.jobs.selftest import TOLERANCE


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.__name__)
def test_this_jax_computes_it_right(kernel):
    assert difference(kernel()) <= TOLERANCE / 10


@pytest.mark.parametrize(
    "got, wanted, off",
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 3.0], [1.0, 2.0], 0.5),
        ([np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf], 0.0),
        ([0.0, 2.0], [0.0, 0.0], 2.0),
        ([True], [False], 1.0),
        ([1.0, 0.0], [1.0, np.inf], np.inf),
        ([1.0, np.nan], [1.0, 2.0], np.nan),
        ([1.0, 2.0], [1.0, np.nan], np.nan),
    ],
)
def test_differences(got, wanted, off):
    np.testing.assert_equal(difference(iter([(got, wanted)])), off)
    assert (off <= TOLERANCE) == (off == 0.0)


def test_the_worst_pair_counts_though_others_are_right():
    assert difference(iter([([2.0], [1.0]), ([1.0], [1.0])])) == 1.0
