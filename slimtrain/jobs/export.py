"""`slimtrain export`: a run's variables as one file, each under its name; folded ones with the config they are for."""

from pathlib import Path

from slimtrain.config.document import Document
from slimtrain.config.folding import Folding
from slimtrain.config.resolved import resolved
from slimtrain.errors import ConfigError, Problem
from slimtrain.jobs.build import make_task, network
from slimtrain.jobs.facts import carried
from slimtrain.jobs.fold import folded_variables, folding_of
from slimtrain.jobs.restore import EVERY, Filter, fit_weights, weights_from
from slimtrain.jobs.talk import QUIET, Talk
from slimtrain.store.files import write_text
from slimtrain.store.weights import write_weights


def export(
    document: Document,
    run: Path | None,
    which: str,
    form: str,
    out: Path,
    chosen: Filter = EVERY,
    averages: bool = True,
    fold: bool = False,
    talk: Talk = QUIET,
) -> int:
    """Writes every model variable of a run's checkpoint to a file; gives how many there are.

    Args:
        document: the run's resolved config.
        run: the run's directory.
        which: `best`, `last` or a step.
        form: `npz` or `safetensors`.
        out: the file.
        chosen: which variables.
        averages: write the moving averages where the run kept them (`train.ema`).
        fold: fold batch norms into weights and biases, and write the config of the folded net beside the file.
        talk: where it is told what was folded.
    """
    if run is None:
        raise ConfigError(Problem("export", "a config has no weights to export", "give a run directory"))
    if out.suffix != f".{form}":
        raise ConfigError(
            Problem("--out", f"'{out}' does not end in .{form}", f"name it '{out.with_suffix('.' + form)}'")
        )
    specs = make_task(document, network(document)).specs
    weights = fit_weights(specs, weights_from(run, which, averages), str(run))
    folding = folding_of(document) if fold else None
    if folding is not None:
        _check_free(config_beside(out))
        weights = folded_variables(folding, weights)
    names = chosen.names(weights)
    write_weights(out, {name: weights[name] for name in names}, carried(run))
    if folding is not None:
        _write_folded(folding, run, out, talk)
    return len(names)


def _check_free(config: Path) -> None:
    if config.exists():
        told = "is there already, and the folded net's config would go there"
        raise ConfigError(Problem(str(config), told, "remove it, or give another --out"))


def _write_folded(folding: Folding, run: Path, out: Path, talk: Talk) -> None:
    config = config_beside(out)
    opening = f"# {run} with its batch norms folded: slimtrain eval {config} --weights {out}\n"
    write_text(config, opening + resolved(folding.document))
    for line in folding.told():
        talk.say(line)


def config_beside(out: Path) -> Path:
    """Where the config of a folded net goes: beside its variables."""
    return out.with_suffix(".yaml")
