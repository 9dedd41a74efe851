"""Metrics of numbers: errors, correlation, means of end points.

Left out of TF-Slim's: `streaming_mean_tensor`, an array as large as the end point, and `count`, which `eval` tells.
"""

import numpy as np

from slimtrain.config.catalog import metric
from slimtrain.config.values import Number
from slimtrain.lazy import Array, jnp
from slimtrain.train import losses
from slimtrain.train.answers import Numpy
from slimtrain.train.exact import exact_product
from slimtrain.train.losses import one_hot
from slimtrain.train.objective import Sum


@metric(better="min")
def mean_squared_error(predictions: Array, labels: Array) -> Array:
    """The mean of (prediction - label)^2 over all elements.

    Source: TF-Slim metrics, streaming_mean_squared_error.
    """
    return losses.mean_squared_error(predictions, labels)


def root_of(sums: Sum) -> Numpy:
    """The root of the mean."""
    return np.sqrt(sums.mean())


@metric(better="min", result=root_of)
def root_mean_squared_error(predictions: Array, labels: Array) -> Array:
    """The root of the mean of (prediction - label)^2 over all elements.

    Source: TF-Slim metrics, streaming_root_mean_squared_error.
    """
    return losses.mean_squared_error(predictions, labels)


@metric(better="min")
def mean_absolute_error(predictions: Array, labels: Array) -> Array:
    """The mean of |prediction - label| over all elements.

    Source: TF-Slim metrics, streaming_mean_absolute_error.
    """
    return losses.absolute_difference(predictions, labels)


@metric(better="min")
def mean_relative_error(predictions: Array, labels: Array) -> Array:
    """The mean of |prediction - label| / |label| over all elements; an element whose label is 0 counts as 0.

    Source: TF-Slim metrics, streaming_mean_relative_error with |labels| as the normalizer.
    """
    targets = one_hot(labels, predictions)
    size = jnp.abs(targets)
    return jnp.where(size == 0, 0.0, jnp.abs(predictions - targets) / jnp.where(size == 0, 1.0, size))


@metric(better="min")
def mean_cosine_distance(predictions: Array, labels: Array, *, dim: int) -> Array:
    """The mean of 1 - sum of prediction * label along an axis, of vectors of length 1.

    Args:
        dim: the axis of the vectors, the batch being axis 0.

    Source: TF-Slim metrics, streaming_mean_cosine_distance.
    """
    return losses.cosine_distance(predictions, labels, axis=dim)


@metric(main="threshold", better=None)
def percentage_less(values: Array, *, threshold: Number) -> Array:
    """The share of elements below a threshold, from 0 to 1.

    Args:
        threshold: the threshold.

    Source: TF-Slim metrics, streaming_percentage_less.
    """
    return values < threshold


@metric(better=None)
def mean(values: Array) -> Array:
    """The mean of an end point over all elements.

    Source: TF-Slim metrics, streaming_mean.
    """
    return values


def _moments(predictions: Array, labels: Array) -> Array:
    """Of each example's elements: number, sums, sums of products, each product in two parts: [batch, 9]."""
    x, y = (v.reshape(len(v), -1) for v in (predictions, one_hot(labels, predictions)))
    products = (part for pair in ((x, x), (y, y), (x, y)) for part in exact_product(*pair))
    parts = (jnp.ones_like(x), x, y, *products)
    return jnp.stack(parts, -1)


def _covariances(sums: Sum) -> Numpy:
    """Variance of the predictions, variance of the labels, covariance; NaN of fewer than two elements."""
    number, x, y, *products = sums.total.sum(0)
    squares = np.array(products[::2]) + products[1::2]
    moments = squares - np.array([x * x, y * y, x * y]) / number
    moments[np.abs(moments) < 1e-13 * np.abs(squares)] = 0.0  # nothing but the rounding of float64
    return moments / (number - 1) if number > 1 else np.full(3, np.nan)


def covariance_of(sums: Sum) -> Numpy:
    """Covariance from moments."""
    return _covariances(sums)[2]


def correlation_of(sums: Sum) -> Numpy:
    """Correlation from moments."""
    xx, yy, xy = _covariances(sums)
    return xy / (np.sqrt(xx) * np.sqrt(yy))


@metric(result=covariance_of)
def covariance(predictions: Array, labels: Array) -> Array:
    """The covariance of predictions and labels over all elements, divided by their number less 1.

    Source: TF-Slim metrics, streaming_covariance.
    """
    return _moments(predictions, labels)


@metric(result=correlation_of)
def pearson_correlation(predictions: Array, labels: Array) -> Array:
    """The correlation of predictions and labels over all elements, from -1 to 1; NaN where one of them is constant.

    Source: TF-Slim metrics, streaming_pearson_correlation.
    """
    return _moments(predictions, labels)
