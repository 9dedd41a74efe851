"""Gradients of strided convolutions by their inputs, a phase of the pixels at a time."""

from itertools import product

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from kernels import agrees, arguments, geometries

from slimtrain.net.geometry import geometry
from slimtrain.net.lowerings import phases


@settings(max_examples=25)
@given(shapes=geometries())
def test_phases_are_the_definition(shapes):
    agrees("phases", "input_gradient", shapes)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_line_is_the_definition_whatever_its_phases(padding):
    for kernel, stride, rate in product((1, 2, 3, 5), (2, 3, 4), (1, 2)):
        if padding == "SAME" or 7 > (kernel - 1) * rate:
            agrees("phases", "input_gradient", geometry((1, 7, 2), (kernel, 2, 3), (stride,), padding, (rate,)))


def test_the_convolutions_are_of_stride_one_and_together_of_as_many_taps():
    shapes = geometry((1, 8, 8, 2), (3, 3, 2, 4), (2, 2), "SAME", (1, 1))
    given = arguments("input_gradient", shapes)
    made = jax.make_jaxpr(lambda y, w: phases.input_gradient(y, w, shapes))(*given).jaxpr
    parts = [e for e in made.eqns if e.primitive.name == "conv_general_dilated"]
    assert sorted(e.invars[1].aval.shape[:2] for e in parts) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert all(e.params["window_strides"] == (1, 1) and e.params["lhs_dilation"] == (1, 1) for e in parts)


def test_a_phase_without_taps_has_no_gradient():
    shapes = geometry((1, 6, 2), (1, 2, 3), (3,), "SAME", (1,))
    got = np.asarray(phases.input_gradient(*arguments("input_gradient", shapes), shapes))
    assert np.abs(got[:, ::3]).min() > 0 and not got[:, 1::3].any() and not got[:, 2::3].any()
