"""Warnings: what a config says that will not do what its author expects, each with its place, a figure and the cure."""

from slimtrain.config.document import Document, in_order
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.lints.biases import ignored_biases
from slimtrain.jobs.lints.dropping import heavy_dropout
from slimtrain.jobs.lints.freezing import moving_while_frozen
from slimtrain.jobs.lints.logits import odd_logits
from slimtrain.jobs.lints.rates import spent_rate
from slimtrain.jobs.lints.regularizers import idle_regularizers, unsummed
from slimtrain.jobs.lints.single import single_examples
from slimtrain.jobs.lints.statistics import pinned_training, slow_statistics, unapplied_updates
from slimtrain.jobs.lints.wholes import whole_numbers
from slimtrain.train.step import Task


def warnings_of(document: Document, net: Network, evaluating: bool = False) -> list[Problem]:
    """Warnings on a document and its network, by place, that hold for a run too, whose config has every value written.

    `evaluating` adds those on training mode that is pinned.
    """
    found = [*document.warnings, *net.declaration.warnings, *unapplied_updates(document, net)]
    return in_order(found + (pinned_training(document) if evaluating else []))


def written_warnings(document: Document, net: Network, trained: frozenset[str] | None = None) -> list[Problem]:
    """Those and the ones on settings that do nothing, or not what was meant, as they are written in a config.

    `trained` names the variables that are trained; all that are trainable where it is None.
    """
    names = frozenset(n for n, spec in net.declaration.specs.items() if spec.trainable) if trained is None else trained
    found = [*warnings_of(document, net), *ignored_biases(document, net), *unsummed(document, net)]
    found += [*idle_regularizers(document, net, names), *whole_numbers(document, net)]
    return in_order([*found, *odd_logits(document, net), *heavy_dropout(document)])


def training_warnings(document: Document, net: Network, task: Task, steps: int | None) -> list[Problem]:
    """Those and the ones on training by this config; `steps` is how many are planned, None where that is not known."""
    found = written_warnings(document, net, task.trained)
    if document.optimizer is None:
        return found
    found += [*moving_while_frozen(document, net, task.trained), *single_examples(document, net)]
    return in_order([*found, *(planned_warnings(document, net, task, steps) if steps else [])])


def planned_warnings(document: Document, net: Network, task: Task, steps: int) -> list[Problem]:
    """Warnings on what the planned number of steps is too small or too large for."""
    return [*slow_statistics(document, net, steps), *spent_rate(document, task, steps)]
