"""Pointwise convolutions as products of matrices."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from kernels import agrees, arguments, geometries

from slimtrain.net.choice import KINDS
from slimtrain.net.geometry import geometry
from slimtrain.net.lowerings import product


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(shapes=geometries(groups=("one",), kernels=1))
def test_products_are_the_definition(kind, shapes):
    agrees("product", kind, shapes)


@pytest.mark.parametrize("kind", KINDS)
def test_no_convolution_is_left(kind):
    shapes = geometry((2, 5, 5, 8), (1, 1, 8, 16), (2, 2), "SAME", (1, 1))
    made = str(jax.make_jaxpr(lambda x, y: getattr(product, kind)(x, y, shapes))(*arguments(kind, shapes)))
    assert "dot_general" in made and "conv_general_dilated" not in made


def test_pixels_that_the_stride_passes_over_have_no_gradient():
    shapes = geometry((1, 4, 5, 2), (1, 1, 2, 3), (2, 3), "SAME", (1, 1))
    outputs, weights = arguments("input_gradient", shapes)
    got = np.asarray(product.input_gradient(outputs, weights, shapes))
    assert np.abs(got[:, ::2, ::3]).min() > 0
    assert not got[:, 1::2].any() and not got[:, :, 1::3].any() and not got[:, :, 2::3].any()
