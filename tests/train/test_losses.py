"""Losses by their formulas; test_objective.py holds their weighted sums, tests/golden_more their parity."""

import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.train.losses import huber_loss, log_loss, mean_pairwise_squared_error, sigmoid_cross_entropy
from slimtrain.train.objective import loss_sums, loss_values

LOGITS = numbers(4, 3)
HOT = np.eye(3, dtype=np.float32)[[0, 2, 1, 2]]


def test_sigmoid_cross_entropy_and_log_loss_agree_with_their_formulas():
    hot, logits = HOT.astype(np.float64), LOGITS.astype(np.float64)
    p = 1 / (1 + np.exp(-logits))
    plain = -hot * np.log(p) - (1 - hot) * np.log(1 - p)
    np.testing.assert_allclose(sigmoid_cross_entropy(LOGITS, HOT), plain, 1e-5)
    np.testing.assert_allclose(log_loss(np.float32(p), HOT), plain, 1e-4)
    smooth = hot * 0.8 + 0.1
    wanted = -smooth * np.log(p) - (1 - smooth) * np.log(1 - p)
    np.testing.assert_allclose(sigmoid_cross_entropy(LOGITS, HOT, label_smoothing=0.2), wanted, 1e-5)


def test_huber_loss_is_square_near_and_a_line_beyond():
    distances = jnp.asarray([[0.0, 0.5, -1.0, 2.0, -3.0]])
    got = huber_loss(distances, jnp.zeros((1, 5)), delta=1.0)
    np.testing.assert_allclose(got, [[0.0, 0.125, 0.5, 1.5, 2.5]])


def test_mean_pairwise_squared_error_is_over_all_pairs_and_summed_over_examples():
    outputs, labels = np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 6.0]], np.float32), np.zeros((2, 3), np.float32)
    each = [((row[:, None] - row[None, :]) ** 2).mean() for row in outputs]
    np.testing.assert_allclose(mean_pairwise_squared_error(outputs, labels), each, 1e-6)
    assert each[0] == pytest.approx(28 / 9)
    aim = layers("[flatten]", (3,), "losses: [mean_pairwise_squared_error: {weight: 2}]").task.objective
    sums = loss_sums(aim, jnp.asarray(outputs), {}, {"label": jnp.asarray(labels), "mask": jnp.asarray([1.0, 0.0])})
    assert float(loss_values(aim, sums)["mean_pairwise_squared_error"]) == pytest.approx(2 * each[0], rel=1e-6)
