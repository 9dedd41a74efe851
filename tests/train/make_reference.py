"""Makes reference.npz: metrics and losses that real TF-Slim computes, with the data that they are computed of.

The tests read what this wrote and never run it. By hand, in an environment of its own:

    python3.11 -m venv /tmp/tf
    /tmp/tf/bin/pip install tensorflow-cpu==2.12.1 tf-slim==1.1.0 'numpy<1.24'
    /tmp/tf/bin/python tests/train/make_reference.py

Metrics are streamed over batches with weights of 0 and 1, which stand for the mask of a padded batch. Of losses there
are the value and, under `gradient/`, the gradients. Keys: `data/<name>`, `metric/<name>`, `loss/<name>`,
`gradient/<loss>/<embeddings>`.
"""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

BATCH, BATCHES, CLASSES = 13, 4, 4
SIZE = BATCH * BATCHES
LEVELS = (0.3, 0.8, 0.97)


def drawn() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    score = rng.uniform(0, 1, SIZE).astype(np.float32)
    score[:4] = [0.0, 1.0, 0.5, 0.25]
    weights = np.ones(SIZE, np.float32)
    weights[[3, 20]] = weights[-5:] = 0
    prediction = rng.normal(2, 3, (SIZE, 3)).astype(np.float32)
    unit = rng.normal(size=(2, SIZE, 3)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
    pairs = rng.normal(0, 0.7, (2, 12, 5)).astype(np.float32)
    return {
        "score": score,
        "yes": (rng.uniform(0, 1, SIZE) < 0.3 + 0.4 * score).astype(np.int32),
        "logits": rng.normal(size=(SIZE, CLASSES)).astype(np.float32),
        "class": rng.integers(0, CLASSES - 1, SIZE).astype(np.int32),  # the last class has no examples
        "prediction": prediction,
        "target": (1 + np.abs(prediction + rng.normal(size=(SIZE, 3)))).astype(np.float32),
        "unit": unit[0],
        "unit_target": unit[1],
        "weights": weights,
        "anchor": pairs[0],
        "positive": pairs[1],
        "alike": rng.integers(0, 2, 12).astype(np.int32),
        "kind": np.array([0, 1, 2, 0, 1, 2, 0, 1, 0, 3, 3, 4], np.int32),
        "held": (rng.uniform(0, 1, (12, 5)) < 0.4).astype(np.int32) | np.eye(12, 5, dtype=np.int32),
        "factors": np.array([1, 2, 0, 1, 0.5, 1, 1, 0, 1, 1, 3, 1], np.float32),
    }


def streamed(field: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each metric as (value, update), of placeholders that hold one batch."""
    weights, column = field["weights"], field["weights"][:, None]
    score, yes, wide = field["score"], field["yes"] > 0, tf.ones([1, 3])
    said, chosen = score > 0.4, tf.argmax(field["logits"], 1, output_type=tf.int32)
    numbers = (field["prediction"], field["target"])
    metrics = slim.metrics
    found = {
        "accuracy": metrics.streaming_accuracy(chosen, field["class"], weights),
        "top_2": metrics.streaming_recall_at_k(field["logits"], tf.cast(field["class"], tf.int64), 2, weights),
        "precision": metrics.streaming_precision(said, yes, weights),
        "recall": metrics.streaming_recall(said, yes, weights),
        "false_positive_rate": metrics.streaming_false_positive_rate(said, yes, weights),
        "false_negative_rate": metrics.streaming_false_negative_rate(said, yes, weights),
        "mean_iou": metrics.streaming_mean_iou(chosen, field["class"], CLASSES, weights),
        "cohen_kappa": metrics.cohen_kappa(field["class"], chosen, CLASSES, weights),
        "auc_ROC": metrics.streaming_auc(score, yes, weights),
        "auc_PR": metrics.streaming_auc(score, yes, weights, curve="PR"),
        "auc_ROC_11": metrics.streaming_auc(score, yes, weights, num_thresholds=11),
        "mean_squared_error": metrics.streaming_mean_squared_error(*numbers, weights=column * wide),
        "root_mean_squared_error": metrics.streaming_root_mean_squared_error(*numbers, weights=column * wide),
        "mean_absolute_error": metrics.streaming_mean_absolute_error(*numbers, weights=column * wide),
        "mean_relative_error": metrics.streaming_mean_relative_error(*numbers, field["target"], column * wide),
        "mean_cosine_distance": metrics.streaming_mean_cosine_distance(field["unit"], field["unit_target"], 1, column),
        "percentage_less": metrics.streaming_percentage_less(field["prediction"], 1.5, column * wide),
        "mean": metrics.streaming_mean(field["prediction"], column * wide),
        "covariance": metrics.streaming_covariance(*numbers, weights=column * wide),
        "pearson_correlation": metrics.streaming_pearson_correlation(*numbers, weights=column * wide),
    }
    for level in LEVELS:
        found |= {
            f"specificity_at_sensitivity_{level}": metrics.streaming_specificity_at_sensitivity(
                score, yes, level, weights
            ),
            f"sensitivity_at_specificity_{level}": metrics.streaming_sensitivity_at_specificity(
                score, yes, level, weights
            ),
            f"precision_at_recall_{level}": metrics.precision_at_recall(yes, score, level, weights),
            f"recall_at_precision_{level}": metrics.recall_at_precision(yes, score, level, weights),
            f"recall_at_precision_{level}_strict": metrics.recall_at_precision(
                yes, score, level, weights, strict_mode=True
            ),
        }
    return found


def metrics_of(data: dict[str, np.ndarray]) -> dict[str, Any]:
    with tf.Graph().as_default(), tf.Session() as session:
        whole = {n: v for n, v in data.items() if len(v) == SIZE}
        field = {n: tf.placeholder(v.dtype, (BATCH, *v.shape[1:]), n) for n, v in whole.items()}
        found = streamed(field)
        session.run(tf.local_variables_initializer())
        for start in range(0, SIZE, BATCH):
            feed = {field[n]: v[start : start + BATCH] for n, v in whole.items()}
            session.run([update for _, update in found.values()], feed)
        return {f"metric/{n}": v for n, v in session.run({n: value for n, (value, _) in found.items()}).items()}


def sparse(row: np.ndarray) -> Any:
    where = np.flatnonzero(row)[:, None]
    return tf.SparseTensor(where, np.ones(len(where), np.float32), [len(row)])


def losses_of(data: dict[str, np.ndarray]) -> dict[str, Any]:
    with tf.Graph().as_default(), tf.Session() as session:
        field = {n: tf.constant(data[n]) for n in ("anchor", "positive", "alike", "kind", "factors")}
        both = (field["anchor"], field["positive"])
        learning = slim.losses.metric_learning
        found = {
            "mean_pairwise_squared_error": slim.losses.mean_pairwise_squared_error(*both, weights=field["factors"]),
            "contrastive_loss": learning.contrastive_loss(field["alike"], *both, margin=4.0),
            "triplet_semihard_loss": learning.triplet_semihard_loss(field["kind"], field["anchor"], margin=0.7),
            "lifted_struct_loss": learning.lifted_struct_loss(field["kind"], field["anchor"], margin=1.5),
            "npairs_loss": learning.npairs_loss(field["kind"], *both, reg_lambda=0.1),
            "npairs_loss_multilabel": learning.npairs_loss_multilabel([sparse(row) for row in data["held"]], *both),
        }
        said = {f"loss/{n}": v for n, v in session.run(found).items()}
        for name, value in found.items():
            for side, tensor in zip(("anchor", "positive"), tf.gradients(value, both), strict=True):
                if tensor is not None:
                    said[f"gradient/{name}/{side}"] = session.run(tensor)
        return said


if __name__ == "__main__":
    tf.disable_eager_execution()
    made = drawn()
    said = {**metrics_of(made), **losses_of(made)}
    np.savez_compressed(Path(__file__).with_name("reference.npz"), **{f"data/{n}": v for n, v in made.items()}, **said)
    for name in sorted(n for n in said if not n.startswith("gradient/")):
        print(name, said[name])
