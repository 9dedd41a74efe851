"""Layers without variables that act elementwise."""

import numpy as np
from nets import numbers, scope

from slimtrain.net.layers.shape import activation


def test_an_activation_by_itself():
    inputs = numbers(2, 3)
    np.testing.assert_array_equal(activation(scope(), inputs), np.maximum(inputs, 0))
    np.testing.assert_allclose(activation(scope(), inputs, activation_fn=np.tanh), np.tanh(inputs))
