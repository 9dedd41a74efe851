"""`slimtrain export`: a run's variables as one file, each under its name."""

from pathlib import Path

from slimtrain.config.document import Document
from slimtrain.errors import ConfigError, Problem
from slimtrain.jobs.build import make_task, network
from slimtrain.jobs.facts import carried
from slimtrain.jobs.restore import EVERY, Filter, fit_weights, weights_from
from slimtrain.store.weights import write_weights


def export(
    document: Document,
    run: Path | None,
    which: str,
    form: str,
    out: Path,
    chosen: Filter = EVERY,
    averages: bool = True,
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
    """
    if run is None:
        raise ConfigError(Problem("export", "a config has no weights to export", "give a run directory"))
    if out.suffix != f".{form}":
        raise ConfigError(
            Problem("--out", f"'{out}' does not end in .{form}", f"name it '{out.with_suffix('.' + form)}'")
        )
    specs = make_task(document, network(document)).specs
    weights = fit_weights(specs, weights_from(run, which, averages), str(run))
    names = chosen.names(weights)
    write_weights(out, {name: weights[name] for name in names}, carried(run))
    return len(names)
