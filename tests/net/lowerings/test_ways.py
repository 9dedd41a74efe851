"""Every way to compute a convolution or a gradient is the definition, whatever the shape."""

import pytest
from hypothesis import given, settings
from kernels import NATIVE, agrees, geometries, tiled, ways

from slimtrain.net.choice import KINDS
from slimtrain.net.lowerings import WAYS, custom_call


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(shapes=geometries())
def test_all_ways_are_the_definition(kind, shapes):
    for way in ways(kind, shapes):
        agrees(way, kind, shapes)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(shapes=tiled())
def test_ways_in_tiles_are_the_definition(kind, shapes):
    for way in ways(kind, shapes):
        agrees(way, kind, shapes)


def test_xla_computes_every_kind_and_a_way_is_native_or_not():
    assert set(WAYS["xla"]) == set(KINDS)
    assert not set(WAYS) & set(custom_call.TARGETS)
    assert set(custom_call.TARGETS) <= set(NATIVE)
