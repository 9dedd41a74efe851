"""XLA's own convolutions."""

import pytest
from hypothesis import given, settings
from kernels import agrees, geometries

from slimtrain.net.choice import KINDS


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5)
@given(shapes=geometries())
def test_xla_is_the_definition(kind, shapes):
    agrees("xla", kind, shapes)
