"""Dropout: what it keeps, how it scales, and what its draws depend on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.errors import ConfigError
from slimtrain.net.layers.noise import dropout
from slimtrain.net.scope import LayerError, Record, Scope

ONES = jnp.ones((100, 100))


def dropped(inputs=ONES, key=0, path="here", training=True, **arguments):
    record = Record(training, {}, {}, None if key is None else jax.random.key(key))
    return dropout(Scope(record, path), inputs, **arguments)


@pytest.mark.parametrize("keep", [0.25, 0.5, 0.9])
def test_it_keeps_a_share_and_scales_it(keep):
    outputs = np.asarray(dropped(keep_prob=keep))
    assert set(np.unique(outputs)) == {np.float32(0), np.float32(1) / np.float32(keep)}
    assert abs((outputs > 0).mean() - keep) < 5 * np.sqrt(keep * (1 - keep) / outputs.size)


def test_it_is_the_identity_at_evaluation_and_where_everything_is_kept():
    for words in ({"training": False}, {"is_training": False}, {"keep_prob": 1.0}):
        assert dropped(key=None, **words) is ONES
    assert dropped(training=False, is_training=True) is not ONES


def test_the_same_key_and_path_give_the_same_mask_and_others_another():
    first = np.asarray(dropped())
    np.testing.assert_array_equal(dropped(), first)
    for other in ({"key": 1}, {"path": "there"}, {"seed": 7}):
        assert np.any(np.asarray(dropped(**other)) != first)


def test_a_further_use_at_one_path_draws_anew():
    record = Record(True, {}, {}, jax.random.key(0))
    first, second = (np.asarray(dropout(Scope(record, "here"), ONES)) for _ in range(2))
    assert np.any(first != second)


@pytest.mark.parametrize("noise", [(100, 1), (0, 1)])
def test_noise_shape_shares_draws_along_an_axis(noise):
    outputs = np.asarray(dropped(noise_shape=noise))
    assert np.all(outputs == outputs[:, :1])
    assert 0 < outputs[:, 0].astype(bool).mean() < 1


def test_a_noise_shape_that_does_not_broadcast_is_refused():
    for noise in ("[4]", "[2, 3]"):
        with pytest.raises(ConfigError, match="does not broadcast to"):
            layers(f"[dropout: {{noise_shape: {noise}}}]", (4,))


def test_without_a_key_it_says_so():
    with pytest.raises(LayerError, match="given no key"):
        dropped(key=None)


def test_its_gradient_passes_where_it_kept():
    gradient = jax.grad(lambda x: jnp.sum(dropped(x)))(jnp.asarray(numbers(100, 100)))
    np.testing.assert_array_equal(gradient, dropped())
