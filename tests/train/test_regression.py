"""Metrics of numbers, whatever their size."""

import numpy as np
import pytest
from nets import measured, numbers

X = (2000 + 20 * numbers(60, 2)).astype(np.float32)
Y = (1e4 + X + 5 * numbers(60, 2, seed=1)).astype(np.float32)


def value(metric, outputs=X, labels=Y, size=0, **fields):
    (found,) = measured(f"[{metric}]", outputs, size, label=labels, **fields).values()
    return found


@pytest.mark.parametrize("size", [7, 60])
def test_correlation_far_from_0_is_what_float64_gives(size):
    x, y = X.astype(np.float64).ravel(), Y.astype(np.float64).ravel()
    assert value("covariance", size=size) == pytest.approx(np.cov(x, y)[0, 1], rel=1e-9)
    assert value("pearson_correlation", size=size) == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-9)


def test_weights_count_as_repetitions():
    times = np.arange(60) % 3
    x, y = (np.repeat(v.astype(np.float64), times, 0).ravel() for v in (X, Y))
    assert value("covariance: {weights: w}", size=7, w=times) == pytest.approx(np.cov(x, y)[0, 1], rel=1e-9)


def test_correlation_that_there_is_not():
    assert np.isnan(value("covariance", [[1.0]], [[2.0]]))
    assert np.isnan(value("pearson_correlation", np.full((9, 1), 0.1, np.float32), numbers(9, 1)))


def test_errors():
    x, y = numbers(50, 3), numbers(50, 3, seed=2)
    y[0, 0] = 0
    far = np.abs(x.astype(np.float64) - y)
    for size in (8, 50):
        assert value("mean_squared_error", x, y, size) == pytest.approx((far**2).mean(), rel=1e-6)
        assert value("root_mean_squared_error", x, y, size) == pytest.approx((far**2).mean() ** 0.5, rel=1e-6)
        assert value("mean_absolute_error", x, y, size) == pytest.approx(far.mean(), rel=1e-6)
        relative = np.where(y == 0, 0, far / np.where(y == 0, 1, np.abs(y)))
        assert value("mean_relative_error", x, y, size) == pytest.approx(relative.mean(), rel=1e-6)


def test_shares_and_means_of_an_end_point():
    found = measured("[percentage_less: 0.5, mean: {values: aux}]", numbers(9, 2), 4, aux=np.arange(18).reshape(9, 2))
    assert found == pytest.approx({"percentage_less": (numbers(9, 2) < 0.5).mean(), "mean": 8.5}, rel=1e-12)
