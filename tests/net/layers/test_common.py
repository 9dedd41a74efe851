"""What weighted layers share."""

import jax.numpy as jnp
import numpy as np
import pytest
from nets import numbers, scope

from slimtrain.net.components import zeros
from slimtrain.net.layers.common import Ending, along, channel_axis, finish, need_floating, need_rank
from slimtrain.net.scope import LayerError

ENDS = {
    "activation_fn": None,
    "normalizer_fn": None,
    "normalizer_params": None,
    "biases_initializer": zeros,
    "biases_regularizer": None,
}


@pytest.mark.parametrize(("data_format", "axis"), [(None, -1), ("NHWC", -1), ("NCHW", 1), ("NCDHW", 1), ("NCW", 1)])
def test_the_channels_axis(data_format, axis):
    assert channel_axis(data_format) == axis


def test_channels_are_shaped_to_be_added():
    assert along(jnp.ones(3), -1, 4).shape == (3,)
    assert along(jnp.ones(3), 1, 4).shape == (1, 3, 1, 1)


def test_what_is_needed_is_told():
    with pytest.raises(LayerError, match="expects inputs of rank 4, got rank 2") as caught:
        need_rank("conv2d", numbers(2, 3), 4)
    assert "check the layer before it" in caught.value.hint
    with pytest.raises(LayerError, match="rank 3") as caught:
        need_rank("pool", numbers(2, 3, 4), 2)
    assert caught.value.hint
    with pytest.raises(LayerError, match="got int32"):
        need_floating("conv2d", np.zeros(2, np.int32))


def test_biases_come_before_the_activation_and_keep_the_type():
    outputs = jnp.asarray(numbers(2, 3), jnp.bfloat16)
    got = finish(scope(biases=np.full(3, -9, np.float32)), outputs, Ending(**{**ENDS, "activation_fn": jnp.abs}))
    assert got.dtype == jnp.bfloat16
    assert np.all(got > 5)


def test_a_normalizer_stands_in_for_the_biases():
    seen = {}

    def normalizer(scope, outputs, **arguments):
        seen.update(arguments)
        return outputs + 1

    ends = {**ENDS, "normalizer_fn": normalizer, "normalizer_params": {"decay": 0.5}, "activation_fn": jnp.negative}
    np.testing.assert_array_equal(finish(scope(), jnp.zeros((2, 3)), Ending(**ends)), -np.ones((2, 3)))
    assert seen == {"decay": 0.5}


def test_no_normalizer_and_no_initializer_is_no_biases():
    outputs = jnp.ones((2, 3))
    assert finish(scope(), outputs, Ending(**{**ENDS, "biases_initializer": None})) is outputs
