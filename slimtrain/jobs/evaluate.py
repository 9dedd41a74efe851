"""`slimtrain eval`: metrics over a whole split, every example once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slimtrain.config.document import Document
from slimtrain.data.records import Dataset
from slimtrain.errors import ConfigError, Problem
from slimtrain.jobs.build import feed, make_task, network, open_data
from slimtrain.jobs.facts import facts_of, need_alike
from slimtrain.jobs.fold import folded_variables, folding_of
from slimtrain.jobs.lints import warnings_of
from slimtrain.jobs.recalibrate import recalibrated
from slimtrain.jobs.restore import fit_weights, variables_of, weights_from
from slimtrain.jobs.starting import need_ready
from slimtrain.jobs.stream import Stream, evaluation
from slimtrain.jobs.talk import QUIET, Talk
from slimtrain.net.passes import regularization, split
from slimtrain.store import checkpoint
from slimtrain.store.rundir import open_run
from slimtrain.store.weights import write_weights
from slimtrain.train.devices import EvalStep, compiled_eval_step
from slimtrain.train.objective import Objective, Sum, added, loss_values, metric_values, on_host
from slimtrain.train.step import Task


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found: metrics over `examples` examples of a split."""

    run: str
    checkpoint: str
    split: str
    examples: int
    metrics: Mapping[str, Any]

    def record(self) -> dict[str, Any]:
        """As `--json` gives it."""
        return {**vars(self), "metrics": dict(self.metrics)}


def evaluate(
    document: Document,
    talk: Talk = QUIET,
    *,
    run: Path | None = None,
    which: str = "last",
    split_name: str = "test",
    weights: Path | None = None,
    averages: bool = True,
    recalibrate: bool = False,
    fold: bool = False,
    out: Path | None = None,
) -> Evaluation:
    """Evaluates a run's checkpoint, or a config with the weights of a file.

    Args:
        document: the config, or the run's resolved one.
        talk: where the bar goes.
        run: the run's directory; None for a config.
        which: `best`, `last` or a step.
        split_name: the split.
        weights: file to take the variables from instead of the run.
        averages: use the moving averages of the variables where the run kept them (`train.ema`).
        recalibrate: compute batch norm's statistics anew before, over the training split.
        fold: fold batch norms into weights and biases before; the loss keeps the penalties of the trained weights.
        out: `.npz` or `.safetensors` file to write the variables to that were evaluated.

    Raises:
        ConfigError: nothing to evaluate with, no batch norm to recalibrate or to fold.
        DataError, CheckpointError: data or weights that do not fit, or were trained on something else.
        WriteError: `out` cannot be written.
        SlimtrainError: JAX computes something wrong on this machine.
    """
    if weights is None and run is None:
        hint = "give a run directory, or --weights FILE with the config"
        raise ConfigError(Problem("eval", "a config has no weights to evaluate", hint))
    given, source = _weights(run, which, weights, averages)
    data = open_data(document)
    net = network(document, data)
    facts = facts_of(document, data, net)
    if weights is not None:
        need_alike(weights, facts)
    task = make_task(document, net)
    if not document.losses and not document.metrics:
        raise ConfigError(Problem("eval", "the config names no losses and no metrics", "add 'metrics: [accuracy]'"))
    talk.warn([*data.warnings, *warnings_of(document, net, evaluating=True)])
    need_ready(talk)
    parameters, statistics = split(task.specs, fit_weights(task.specs, given, source))
    batches = feed(document, data, task.objective, net)
    if recalibrate:
        statistics = recalibrated(task, net, batches, parameters, statistics, talk)
    penalty = None
    if fold:
        penalty = float(regularization(task.specs, parameters))
        task, parameters, statistics = _folded(document, data, {**parameters, **statistics}, talk)
    if out is not None:
        write_weights(out, {name: np.asarray(value) for name, value in {**parameters, **statistics}.items()}, facts)
    run_batches = runner(task, evaluation(batches, split_name), compiled_eval_step(task), penalty)
    found = run_batches(parameters, statistics, talk, lambda: False)
    assert found is not None
    examples = batches.split(split_name).size
    return Evaluation(str(run or document.path), Path(source).name, split_name, examples, found)


def _weights(run: Path | None, which: str, weights: Path | None, averages: bool) -> tuple[Mapping[str, Any], str]:
    if weights is not None:
        return weights_from(weights, which, averages), str(weights)
    assert run is not None
    folder = checkpoint.find(open_run(run), which)
    return variables_of(checkpoint.load(folder)[0], averages), str(folder)


Run = Callable[[Any, Any, Talk, Callable[[], Any]], dict[str, Any] | None]


def _folded(document: Document, data: Dataset, variables: Mapping[str, Any], talk: Talk) -> tuple[Task, Any, Any]:
    """(task, parameters, statistics) of the network with its batch norms folded; says what was folded."""
    folding = folding_of(document)
    for line in folding.told():
        talk.say(line)
    task = make_task(folding.document, network(folding.document, data))
    return task, *split(task.specs, fit_weights(task.specs, folded_variables(folding, variables), str(document.path)))


def runner(task: Task, stream: Stream, step: EvalStep, penalty: float | None = None) -> Run:
    """A function that evaluates (parameters, statistics) over a split; it gives None where it was asked to stop.

    Args:
        task: what is evaluated.
        stream: the split's batches.
        step: the compiled evaluation step.
        penalty: of the regularizers, where it is not that of the parameters.
    """
    count = stream.count

    def run(parameters: Any, statistics: Any, talk: Talk, stopped: Callable[[], Any]) -> dict[str, Any] | None:
        totals: dict[str, Sum] = {}
        ahead: Any = None
        with stream.open(count) as batch_at, talk.bar(count, 0, "batch", "evaluating") as advance:
            for number in range(count):
                if stopped():
                    return None
                # The device works on this batch while the host adds up the one before.
                ahead, done = step(parameters, statistics, batch_at(number)), ahead
                totals = totals if done is None else added(totals, on_host(done[0]))
                advance(1, "")
            sums, own = ahead
        penalized = float(own) if penalty is None else penalty
        return _metrics(task.objective, added(totals, on_host(sums)), penalized)

    return run


def _metrics(objective: Objective, totals: Mapping[str, Sum], penalty: float) -> dict[str, Any]:
    """Metrics over the split; `loss` is the sum of the losses and the regularization, as in training."""
    found = metric_values(objective, totals)
    sums = {n.removeprefix("losses/"): s for n, s in totals.items() if n.startswith("losses/")}
    losses = {f"losses/{n}": float(v) for n, v in loss_values(objective, sums).items()}
    if losses:
        found["loss"] = sum(losses.values()) + penalty
    return found | (losses if len(losses) > 1 else {})
