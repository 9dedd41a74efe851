"""What outputs say, and averages of what is counted."""

import jax.numpy as jnp
import numpy as np

from slimtrain.train.answers import answers, averaged, counts, for_each_class, probabilities, ratio


def test_outputs_are_classes_or_questions_of_their_own():
    logits, labels = jnp.asarray([[1.0, 2.0], [3.0, -1.0]]), jnp.asarray([1, 1])
    said, right = answers(logits, labels, 0.5, True, False)
    assert (said.tolist(), right.tolist()) == ([1, 0], [1, 1])
    said, right = answers(logits, jnp.asarray([[0, 1], [1, 1]]), 0.5, True, True)
    assert (said.tolist(), right.tolist()) == ([[1, 1], [1, 0]], [[0, 1], [1, 1]])


def test_probabilities_add_up_to_1_only_over_classes():
    logits = jnp.asarray([[1.0, 2.0]])
    np.testing.assert_allclose(probabilities(logits, True, False).sum(), 1, 1e-6)
    np.testing.assert_allclose(probabilities(logits, True, True), 1 / (1 + np.exp(-np.array([[1, 2]]))), 1e-6)
    assert probabilities(logits, False, True) is logits


def test_counts_of_each_class_and_threshold():
    said = for_each_class(jnp.asarray([0, 1, 1]), 2)[..., None]
    right = for_each_class(jnp.asarray([0, 0, 1]), 2)[..., None]
    found = np.asarray(counts(said, right, None)).sum(0)[..., 0]
    assert found.tolist() == [[1, 1], [0, 1], [1, 0], [1, 1]]
    assert np.asarray(counts(said, right, 1)).sum(0)[..., 0].tolist() == [[1], [1], [0], [1]]


def test_averages_leave_out_what_is_not_there():
    counted = np.array([[2, 0, 1], [0, 0, 1], [1, 0, 2], [0, 0, 0]], np.float64)[..., None]

    def score(tp, fp, fn, tn):
        return ratio(tp, tp + fn)[0]

    def there(tp, fp, fn, tn):
        return (tp + fp + fn)[0] > 0

    each = np.array([2 / 3, 0, 1 / 3])
    np.testing.assert_allclose(averaged(counted, score, there, "none"), each)
    np.testing.assert_allclose(averaged(counted, score, there, "macro"), 0.5)
    np.testing.assert_allclose(averaged(counted, score, there, "weighted"), 0.5)
    np.testing.assert_allclose(averaged(counted, score, there, "micro"), 3 / 6)
    assert averaged(0 * counted, score, there, "macro") == 0
