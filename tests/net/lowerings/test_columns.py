"""The weights gradient as products of matrices."""

import jax
import pytest
from hypothesis import given, settings
from kernels import agrees, arguments, geometries

from slimtrain.net.geometry import geometry
from slimtrain.net.lowerings import columns


@settings(max_examples=15)
@given(shapes=geometries(groups=("one",)))
def test_columns_are_the_definition(shapes):
    agrees("columns", "weights_gradient", shapes)


@pytest.mark.parametrize(("channels", "products"), [(3, 5), (4, 35)])
def test_few_channels_take_a_product_a_row_and_more_a_product_a_tap(channels, products):
    shapes = geometry((2, 9, 9, channels), (5, 7, channels, 8), (2, 2), "SAME", (1, 1))
    given = arguments("weights_gradient", shapes)
    made = jax.make_jaxpr(lambda x, y: columns.weights_gradient(x, y, shapes))(*given)
    assert str(made).count("dot_general") == products


def test_a_large_batch_is_taken_in_equal_parts():
    """What the taps meet is copied, so that a part's copies take memory and not the batch's."""
    shapes = geometry((6, 64, 64, 32), (3, 3, 32, 16), (1, 1), "SAME", (1, 1))
    given = arguments("weights_gradient", shapes)
    made = jax.make_jaxpr(lambda x, y: columns.weights_gradient(x, y, shapes))(*given).jaxpr
    (loop,) = (e for e in made.eqns if e.primitive.name == "scan")
    assert loop.params["length"] == 3
    agrees("columns", "weights_gradient", shapes)
