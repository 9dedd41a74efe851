"""Depthwise convolutions as sums of shifted products."""

import jax
import pytest
from hypothesis import given, settings
from kernels import agrees, arguments, geometries

from slimtrain.net.choice import KINDS
from slimtrain.net.geometry import geometry
from slimtrain.net.lowerings import shifted


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12)
@given(shapes=geometries(groups=("all",)))
def test_shifted_products_are_the_definition(kind, shapes):
    agrees("shifted", kind, shapes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("multiplier", [1, 3])
def test_no_convolution_is_left(kind, stride, multiplier):
    shapes = geometry((2, 7, 8, 6), (3, 3, 1, 6 * multiplier), (stride, stride), "SAME", (1, 1), 6)
    made = str(jax.make_jaxpr(lambda x, y: getattr(shifted, kind)(x, y, shapes))(*arguments(kind, shapes)))
    assert "conv_general_dilated" not in made


def test_the_weights_gradient_is_one_pass_over_the_pixels():
    shapes = geometry((2, 7, 8, 6), (3, 3, 1, 6), (1, 1), "SAME", (1, 1), 6)
    given = arguments("weights_gradient", shapes)
    made = jax.jit(lambda x, y: shifted.weights_gradient(x, y, shapes)).lower(*given).as_text()
    assert made.count("stablehlo.reduce(") == 2  # all nine taps at once, then the few lines that are left
