"""What each tap of a kernel meets."""

import jax
import numpy as np
from nets import numbers

from slimtrain.net.geometry import geometry
from slimtrain.net.lowerings.taps import taps


def test_taps_meet_the_inputs_in_the_kernels_order():
    inputs = np.arange(1, 7, dtype=np.float32).reshape(1, 6, 1)
    met = taps(inputs, geometry(inputs.shape, (3, 1, 1), (2,), "SAME", (2,)))
    np.testing.assert_array_equal(np.concatenate(met, -1)[0], [[0, 2, 4], [2, 4, 6], [4, 6, 0]])


def test_the_inputs_are_padded_once():
    shapes = geometry((1, 6, 6, 2), (3, 3, 2, 2), (1, 1), "SAME", (1, 1))
    made = jax.jit(lambda x: taps(x, shapes)).lower(numbers(*shapes.inputs)).as_text()
    assert made.count("stablehlo.pad") == 1 and "optimization_barrier" in made
