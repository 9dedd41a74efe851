"""Statistics computed anew: the plain means of the batches' own, whatever they were and however they are kept."""

import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.net.passes import split
from slimtrain.train.recalibrate import recalibration_step

OPTIONS = ["", "zero_debias_moving_mean: true", "updates_collections: null", "updates_collections: mine", "decay: 1"]


def recalibrated(net, variables, batches):
    parameters, statistics = split(net.specs, variables)
    for number, batch in enumerate(batches):
        passes = jnp.float32(number)
        fields = {"image": batch}
        statistics = recalibration_step(net.task, ("update_ops", "mine"), parameters, statistics, fields, passes)
    return statistics


@pytest.mark.parametrize("option", OPTIONS)
def test_the_statistics_are_means_over_the_batches(option):
    net = layers(f"[batch_norm: {{scope: n, {option}}}]", (3,))
    batches = [numbers(5, 3, seed=seed) for seed in range(4)]
    found = recalibrated(net, net.random(), batches)
    mean, variance = (np.mean([f(b) for b in batches], 0) for f in (lambda b: b.mean(0), lambda b: b.var(0, ddof=1)))
    np.testing.assert_allclose(found["n/moving_mean"], mean, 1e-5, 1e-6)
    np.testing.assert_allclose(found["n/moving_variance"], variance, 1e-5)


def test_renorm_s_own_averages_are_means_too():
    net = layers("[batch_norm: {scope: n, renorm: true}]", (3,))
    batches = [numbers(5, 3, seed=seed) for seed in range(4)]
    found = recalibrated(net, net.random(), batches)
    spread = np.mean([np.sqrt(b.var(0) + 1e-3) for b in batches], 0)
    np.testing.assert_allclose(found["n/renorm_mean"], np.mean([b.mean(0) for b in batches], 0), 1e-5, 1e-6)
    np.testing.assert_allclose(found["n/renorm_stddev"], spread, 1e-5)
    np.testing.assert_allclose(found["n/moving_variance"], spread**2 - 1e-3, 1e-4)


def test_frozen_statistics_stay():
    net = layers("[batch_norm: {scope: n}, batch_norm: {scope: m}]", (3,), "train: {freeze: [n]}")
    variables = net.random()
    found = recalibrated(net, variables, [numbers(5, 3)])
    np.testing.assert_array_equal(found["n/moving_mean"], variables["n/moving_mean"])
    assert np.any(np.asarray(found["m/moving_mean"]) != variables["m/moving_mean"])
