"""The top-level sections of a config, as frozen records: fields are keys, with types, defaults, meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from slimtrain.config.catalog import Definition, Description, define
from slimtrain.config.values import (
    Count,
    Fraction,
    Losses,
    Metrics,
    Names,
    NonNegative,
    Number,
    Optimizer,
    Preprocess,
    ScopeName,
    Shape,
    WeightsPath,
    Whole,
)


@dataclass(frozen=True, kw_only=True)
class Top:
    """A config.

    Args:
        extends: file or files that lie under this one.
        params: names and values that `$name` and `$(expression)` read everywhere in the config.
        seed: number from 0 that fixes the initial weights, the data's order and dropout.
        data: where examples come from.
        scopes: named arg scopes.
        blocks: named blocks.
        model: the network.
        losses: the losses, a list; their sum and the regularization losses are minimized.
        metrics: the metrics of an evaluation, a list; the loss is always among them.
        optimizer: the optimizer, with its learning rate.
        train: how long and how to train.
    """

    extends: Names | None = None
    params: Mapping[str, Any] | None = None
    seed: Whole = 0
    data: Mapping[str, Any] | None = None
    scopes: Mapping[str, Any] | None = None
    blocks: Mapping[str, Any] | None = None
    model: Mapping[str, Any] | None = None
    losses: Losses = ()
    metrics: Metrics = ()
    optimizer: Optimizer | None = None
    train: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Data:
    """The data of a config; a source's own arguments stand beside these.

    Args:
        source: registered source.
        batch_size: examples in a training step.
        eval_batch_size: examples in an evaluation step; batch_size where omitted. Every example counts once
            whatever it is.
        shuffle: take training examples in an order drawn anew each epoch from (seed, epoch).
        preprocess: functions that every batch of images passes, in order; uint8 images become 0..1 where
            omitted. Those that draw at random are left out of evaluations.
        eval_preprocess: functions that the batches of an evaluation pass instead of preprocess; the same where
            omitted.
        augment: functions that training batches pass before preprocess, drawn from (seed, step).
        workers: threads that read and preprocess images; one a core where omitted. Results do not depend on it.
    """

    source: str
    batch_size: Count = 128
    eval_batch_size: Count | None = None
    shuffle: bool = True
    preprocess: Preprocess | None = None
    eval_preprocess: Preprocess | None = None
    augment: Preprocess = ()
    workers: Count | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """The network of a config.

    Args:
        scope: root variable scope.
        input: shape and type of one example; the data source's where omitted.
        arg_scope: defaults for the ops inside, one entry or a list.
        layers: the items, in order.
    """

    scope: ScopeName | None = None
    input: Mapping[str, Any] | None = None
    arg_scope: Any = None
    layers: Any = ()


@dataclass(frozen=True, kw_only=True)
class Input:
    """One example that goes into the network.

    Args:
        shape: its shape, without the batch dimension.
        dtype: its type.
    """

    shape: Shape | None = None
    dtype: Literal["float32", "int32"] = "float32"


@dataclass(frozen=True, kw_only=True)
class Train:
    """How long and how to train.

    Args:
        steps: steps to train; or give epochs.
        epochs: passes over the training split; or give steps.
        clip_gradient_norm: largest L2 norm of each variable's gradient by itself (as TF-Slim's
            create_train_op); 0 for none.
        clip_global_norm: largest L2 norm of all gradients together; 0 for none.
        gradient_multipliers: factor on the gradients of the variables that a pattern matches, before
            clipping.
        summarize_gradients: write the norm of each variable's gradient, multiplied and clipped, into the lines of
            metrics.jsonl.
        variables_to_train: patterns of the variables to train; all trainable ones where omitted.
        freeze: patterns of the variables that stay as they are: weights are not trained, and a batch norm normalizes
            by its statistics and does not move them.
        update_ops: collections whose updates (batch norm's statistics) the train step applies.
        check_numerics: stop at a loss, gradient, statistic or moment that is not finite, before it gets into the state.
        skip_non_finite: steps in a row that are left out where their numbers are not finite; one more stops. None is
            left out where omitted.
        accumulate: parts that a batch is computed in, one after the other, to save memory; it divides batch_size.
        precision: what the network computes in; variables, statistics, losses and metrics are float32 in both.
        ema: decay of moving averages of all variables, which evaluations use; at step n it is at most
            (1 + n) / (10 + n). None are kept where omitted.
        init_from: run, checkpoint, .npz or .safetensors whose weights a new run starts with.
        init_include: patterns of the variables to take from init_from; all where omitted.
        init_exclude: patterns of the variables not to take from init_from.
        early_stop: evaluations in a row without a better one after which training ends; never where omitted.
        log_every: steps between lines of metrics.jsonl.
        eval_every: steps between evaluations on the test split; an epoch where omitted, 0 for none but the
            last.
        checkpoint_every: steps between checkpoints; an epoch where omitted, 0 for none but the last.
        keep: newest checkpoints kept; best and last always are.
    """

    steps: Count | None = None
    epochs: Count | None = None
    clip_gradient_norm: NonNegative = 0.0
    clip_global_norm: NonNegative = 0.0
    gradient_multipliers: Mapping[str, Number] | None = None
    summarize_gradients: bool = False
    variables_to_train: Names | None = None
    freeze: Names | None = None
    update_ops: Names = ("update_ops",)
    check_numerics: bool = True
    skip_non_finite: Count | None = None
    accumulate: Count = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    ema: Fraction | None = None
    init_from: WeightsPath | None = None
    init_include: Names | None = None
    init_exclude: Names | None = None
    early_stop: Count | None = None
    log_every: Count = 50
    eval_every: Whole | None = None
    checkpoint_every: Whole | None = None
    keep: Count = 3


def section(record: type[Any]) -> Definition:
    """A section's definition, under its key's name."""
    record.__slimtrain__ = Description("section")
    return replace(define(record), name=record.__name__.lower())


TOP, DATA, MODEL, INPUT, TRAIN = map(section, (Top, Data, Model, Input, Train))
TF_SLIM_KEYS = {"moving_average_decay": "ema"}
"""Keys of `train` that may go by the name of TF-Slim's flag."""
