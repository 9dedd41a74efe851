"""The reference that the native part is held to: a convolution by its definition, in float64."""

import jax
import numpy as np
import pytest
from jax import lax

from slimtrain.native.check import CASES, gradients, reference


@pytest.mark.parametrize("case", CASES)
def test_the_reference_is_what_jax_computes(case):
    inputs, weights, stride, rate, padding, groups = case
    random = np.random.default_rng(0)
    x, w = (random.standard_normal(shape).astype(np.float32) for shape in (inputs, weights))
    space = "DHW"[3 - len(stride) :]

    def convolve(x, w):
        names = (f"N{space}C", f"{space}IO", f"N{space}C")
        return lax.conv_general_dilated(
            x, w, stride, padding, rhs_dilation=rate, dimension_numbers=names, feature_group_count=groups
        )

    y, pull = jax.vjp(convolve, x, w)
    dy = random.standard_normal(y.shape).astype(np.float32)
    wide = [a.astype(np.float64) for a in (x, w, dy)]
    found = [reference(*wide[:2], stride, rate, padding, groups), *gradients(*wide, stride, rate, padding, groups)]
    for got, want in zip(found, (y, *pull(dy)), strict=True):
        np.testing.assert_allclose(got, want, 1e-4, 1e-4)
