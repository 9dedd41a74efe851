"""Losses of metric learning, on batches that are odd; test_slim_reference.py holds them to TF-Slim's numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.config.arguments import extra_words
from slimtrain.errors import ConfigError
from slimtrain.jobs.builtin import catalog
from slimtrain.train.objective import loss_sums, loss_values

NAMES = ("triplet_semihard_loss", "lifted_struct_loss", "npairs_loss", "npairs_loss_multilabel")
LABELS = np.array([0, 1, 0, 1, 2, 0], np.int32)
NET = "[fully_connected: {num_outputs: 3, scope: a}, fully_connected: {num_outputs: 3, scope: b}]"


def total(name, embeddings, labels, mask):
    definition = catalog().kind("loss")[name]
    hands = {"labels": jnp.asarray(labels), "mask": jnp.asarray(mask, jnp.float32)}
    if "embeddings_positive" in definition.given:
        hands["embeddings_positive"] = embeddings[::-1]
    return definition.function(*(hands.get(n, embeddings) for n in definition.given))


@pytest.mark.parametrize("name", NAMES)
def test_padding_is_in_no_pair(name):
    embeddings = jnp.asarray(numbers(6, 4))
    other = embeddings[::-1] if name.startswith("npairs") else embeddings
    positive = np.concatenate([other, np.repeat(other[-1:], 3, 0)])
    anchor, labels = np.concatenate([embeddings, np.repeat(embeddings[-1:], 3, 0)]), np.append(LABELS, [0, 0, 0])
    definition = catalog().kind("loss")[name]
    hands = {"labels": jnp.asarray(labels), "mask": jnp.asarray([1.0] * 6 + [0.0] * 3), "embeddings_positive": positive}
    padded = definition.function(*(hands.get(n, jnp.asarray(anchor)) for n in definition.given))
    assert float(padded) == pytest.approx(float(total(name, embeddings, LABELS, np.ones(6))), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3]])
def test_batches_without_pairs_of_a_kind_and_equal_embeddings_stay_finite(name, labels):
    for embeddings in (jnp.asarray(numbers(4, 3)), jnp.ones((4, 3))):
        value, gradient = jax.value_and_grad(lambda x: total(name, x, labels, np.ones(4)))(embeddings)
        assert np.isfinite(value) and np.all(np.isfinite(gradient))


def test_contrastive_loss_has_a_gradient_where_pairs_meet():
    contrastive = catalog().kind("loss")["contrastive_loss"].function
    gradient = jax.grad(lambda x: jnp.sum(contrastive(x, jnp.ones((2, 3)), jnp.asarray([0, 1]))))(jnp.ones((2, 3)))
    assert np.all(np.isfinite(gradient))


def goal(losses):
    return layers(NET, (4,), f"losses: {losses}").task.objective


def test_a_loss_reads_two_end_points():
    aim = goal("[npairs_loss: {embeddings_anchor: a, embeddings_positive: b, weight: 0.5}]")
    assert aim.wants() == {"a", "b"} and aim.fields() == {"label"}
    a, b = jnp.asarray(numbers(6, 3)), jnp.asarray(numbers(6, 3, seed=1))
    batch = {"label": jnp.asarray(LABELS), "mask": jnp.asarray([1, 1, 1, 1, 1, 0.0])}
    sums = loss_sums(aim, b, {"a": a, "b": b}, batch)
    assert float(sums["npairs_loss"].number) == 5
    wanted = 0.5 * catalog().kind("loss")["npairs_loss"].function(a, b, batch["label"], batch["mask"])
    assert float(loss_values(aim, sums)["npairs_loss"]) == pytest.approx(float(wanted), rel=1e-6)


def test_what_is_missing_or_unknown_is_told():
    with pytest.raises(ConfigError, match="'embeddings_anchor' is missing"):
        goal("[npairs_loss: {embeddings_positive: b}]")
    with pytest.raises(ConfigError, match="no end point 'c'"):
        goal("[npairs_loss: {embeddings_positive: b, embeddings_anchor: c}]")
    with pytest.raises(ConfigError, match="unknown argument 'class_weights'"):
        goal("[triplet_semihard_loss: {class_weights: [1, 2, 3]}]")
    assert set(extra_words("loss", catalog().kind("loss")["npairs_loss"])) == {
        "embeddings_anchor",
        "embeddings_positive",
        "labels",
        "weight",
    }
