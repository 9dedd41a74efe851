"""Losses, metrics and their weighted sums, with the numbers of TF-Slim's own tests and table."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.train.losses import (
    indices,
    mean_squared_error,
    one_hot,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)
from slimtrain.train.objective import loss_sums, metric_sums, objective, on_host, weighted

SQUARES = jnp.asarray([[1.0, 4.0], [9.0, 16.0], [25.0, 36.0]])
LOGITS = numbers(4, 3)
LABELS = np.array([0, 2, 1, 2], np.int32)
HOT = np.eye(3, dtype=np.float32)[LABELS]
LOG_SOFTMAX = LOGITS - np.log(np.exp(LOGITS.astype(np.float64)).sum(-1, keepdims=True))


@pytest.mark.parametrize(
    ("values", "weights", "want"),
    [
        (SQUARES, [1.0, 2.0, 0.0], 13.75),
        (SQUARES, [1.0, 1.0, 1.0], 91 / 6),
        (SQUARES, [2.0, 2.0, 2.0], 91 / 3),
        (SQUARES, [0.0, 0.0, 0.0], 0.0),
        (SQUARES, [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], 17 / 2),
        (jnp.asarray([0.4076, 0.1698]), [2.0, 0.0], 0.8152),
        (jnp.asarray([0.4076, 0.1698]), [0.5, -0.5], (0.2038 - 0.0849) / 2),
    ],
)
def test_weighted_sums_divide_by_the_count_of_weights_that_are_not_zero(values, weights, want):
    assert float(weighted(values, jnp.asarray(weights)).mean()) == pytest.approx(want, rel=1e-6)


def test_half_precision_is_summed_in_float32():
    values = jnp.full((4096,), 1.0, jnp.bfloat16)
    assert float(weighted(values, jnp.ones(4096)).total) == 4096


def goal(losses="[]", metrics="[]"):
    more = f"losses: {losses}\nmetrics: {metrics}"
    return layers("[fully_connected: {num_outputs: 3, scope: fc}]", (3,), more).task.objective


def value(losses, output, labels, **batch):
    (found,) = loss_sums(goal(losses), jnp.asarray(output), {}, {"label": jnp.asarray(labels), **batch}).values()
    return float(found.mean())


def test_softmax_cross_entropy_with_whole_one_hot_and_smoothed_labels():
    plain = -LOG_SOFTMAX[np.arange(4), LABELS]
    smooth = -((HOT * 0.9 + 0.1 / 3) * LOG_SOFTMAX).sum(-1)
    for labels in (LABELS, LABELS[:, None], HOT, HOT.astype(np.int32), LABELS.astype(np.uint8)):
        np.testing.assert_allclose(softmax_cross_entropy(LOGITS, jnp.asarray(labels)), plain, 1e-5)
        np.testing.assert_allclose(
            softmax_cross_entropy(LOGITS, jnp.asarray(labels), label_smoothing=0.1), smooth, 1e-5
        )
        np.testing.assert_allclose(sparse_softmax_cross_entropy(LOGITS, jnp.asarray(labels)), plain, 1e-5)


def test_no_gradient_flows_into_the_labels():
    gradient = jax.grad(lambda y: jnp.sum(softmax_cross_entropy(LOGITS, y)))(jnp.asarray(HOT))
    assert not np.any(gradient)


def test_large_logits_stay_finite():
    logits = jnp.asarray([[1e4, -1e4, 0.0]])
    for loss in (softmax_cross_entropy, sparse_softmax_cross_entropy):
        for label in (0, 1):
            assert np.all(np.isfinite(loss(logits, jnp.asarray([label]))))


def test_labels_take_the_shape_of_the_outputs():
    np.testing.assert_array_equal(one_hot(jnp.asarray([1, 0]), jnp.zeros((2, 2))), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(one_hot(jnp.asarray([3.0, 4.0]), jnp.zeros((2, 1))), [[3], [4]])
    np.testing.assert_array_equal(one_hot(jnp.asarray([3, 4]), jnp.zeros((2, 1))), [[3], [4]])
    np.testing.assert_array_equal(indices(jnp.asarray(HOT), jnp.asarray(LOGITS)), LABELS)
    np.testing.assert_array_equal(indices(jnp.asarray(LABELS[:, None]), jnp.asarray(LOGITS)), LABELS)
    np.testing.assert_array_equal(mean_squared_error(jnp.asarray(HOT), jnp.asarray(LABELS)), np.zeros((4, 3)))


def test_weight_scales_a_loss_and_the_mask_leaves_padding_out():
    each = -LOG_SOFTMAX[np.arange(4), LABELS]
    assert value("[softmax_cross_entropy: {weight: 0.4}]", LOGITS, LABELS) == pytest.approx(0.4 * each.mean(), rel=1e-5)
    assert value("[softmax_cross_entropy: {weight: 0}]", LOGITS, LABELS) == 0
    mask = jnp.asarray([1.0, 1.0, 0.0, 0.0])
    assert value("[softmax_cross_entropy]", LOGITS, LABELS, mask=mask) == pytest.approx(each[:2].mean(), rel=1e-5)
    square = ((LOGITS - HOT) ** 2)[:2].mean()
    assert value("[mean_squared_error]", LOGITS, LABELS, mask=mask) == pytest.approx(square, rel=1e-5)


def test_class_weights_weigh_each_example_by_its_class():
    factors = np.array([2.0, 0.0, 0.5])
    each = -LOG_SOFTMAX[np.arange(4), LABELS] * factors[LABELS]
    for labels in (LABELS, HOT):
        got = value("[softmax_cross_entropy: {class_weights: [2, 0, 0.5]}]", LOGITS, labels)
        assert got == pytest.approx(each.sum() / 3, rel=1e-5)
        square = ((LOGITS - HOT) ** 2 * factors[LABELS][:, None]).sum() / 9
        got = value("[mean_squared_error: {class_weights: [2, 0, 0.5]}]", LOGITS, labels)
        assert got == pytest.approx(square, rel=1e-5)


def test_class_weights_of_every_pixel():
    outputs, labels = numbers(2, 5, 3), np.array([[0, 1, 2, 0, 1], [2, 2, 2, 0, 0]])
    log = np.asarray(jax.nn.log_softmax(outputs))
    factors = np.array([2.0, 1.0, 0.5])[labels]
    want = (-np.take_along_axis(log, labels[..., None], -1)[..., 0] * factors).mean()
    got = value("[sparse_softmax_cross_entropy: {class_weights: [2, 1, 0.5]}]", outputs, labels)
    assert got == pytest.approx(want, rel=1e-5)


def test_metrics_are_sums_over_the_examples_that_count():
    found = metric_sums(
        goal(metrics="[accuracy, top_k: {k: 2}, top_k: 1, top_k: {k: 2}]"),
        jnp.asarray(HOT),
        {},
        {"label": jnp.asarray([0, 2, 0, 0]), "mask": jnp.asarray([1.0, 1.0, 1.0, 0.0])},
    )
    assert list(found) == ["accuracy", "top_2", "top_1", "top_2_1"]
    accuracy = on_host(found)["accuracy"]
    assert (accuracy.total, accuracy.number) == (2, 3)


def test_a_loss_on_another_end_point_and_other_labels():
    losses = "[softmax_cross_entropy, mean_squared_error: {predictions: aux, labels: other}]"
    text = "[fully_connected: {num_outputs: 3, scope: fc, alias: aux}]"
    aim = layers(text, (3,), f"losses: {losses}").task.objective
    assert aim.wants() == {"aux"} and aim.fields() == {"label", "other"}
    batch = {"label": jnp.asarray(LABELS), "other": jnp.asarray(HOT)}
    found = loss_sums(aim, jnp.asarray(LOGITS), {"aux": jnp.asarray(HOT)}, batch)
    assert list(found) == ["softmax_cross_entropy", "mean_squared_error"]
    assert float(found["mean_squared_error"].total) == 0


def test_equal_losses_are_numbered():
    one = goal("[softmax_cross_entropy]").losses[0][1]
    names = [n for n, _ in objective([one, one, one], [], None).losses]
    assert names == ["softmax_cross_entropy", "softmax_cross_entropy_1", "softmax_cross_entropy_2"]
