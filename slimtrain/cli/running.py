"""Commands that train a network, and what is done with a run: evaluate, export, time."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click

from slimtrain.cli.asked import Asked, asks, averages_option, exclude_option, fold_option, include_option


def own_process() -> bool:
    """Whether the process is the command's own, not one that calls it."""
    return bool(click.get_current_context().find_root().obj)


def ready(asked: Asked) -> None:
    """Before a command computes: memory is kept, where the process is the command's own."""
    if own_process():
        from slimtrain.memory import keep

        asked.talk().say(keep(), level=1)


def taken_back(asked: Asked, resume: str | None) -> tuple[Asked, str | None]:
    """Undoes that click takes the word after a bare --resume, an override or the config, for its value."""
    given = asked.target != Path()
    if resume and Path(resume).is_file():
        more = (str(asked.target),) if given else ()
        return replace(asked, target=Path(resume), overrides=(*more, *asked.overrides)), ""
    if not given:
        raise click.UsageError("Missing argument 'CONFIG'.")
    if resume and ("=" in resume or resume[0] in "+~") and not Path(resume).exists():
        return replace(asked, overrides=(resume, *asked.overrides)), ""
    return asked, resume


@click.command()
@asks("CONFIG", required=False)
@click.option("--run-dir", type=click.Path(path_type=Path), help="Where the run goes; runs/<config name> by default.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[PATH]",
    help="Go on from the last checkpoint, or from PATH.",
)
@click.option(
    "--init-from", type=click.Path(path_type=Path), help="Take weights by name from a run, .npz or .safetensors."
)
@click.option("--include", multiple=True, metavar="PATTERN", help="Take only these variables.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Start these variables fresh.")
@click.option("--dry-run", is_flag=True, help="Check, build and compile, but train and write nothing.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Leave that long after the first signal, saved or not: before a scheduler kills.",
)
@click.option("--deterministic", is_flag=True, help="Refuse what may not end in the same bits another time.")
def fit(
    asked: Asked,
    run_dir: Path | None,
    resume: str | None,
    init_from: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    dry_run: bool,
    grace: float | None,
    deterministic: bool,
) -> None:
    """Train the network of CONFIG."""
    ready(asked)
    if deterministic:
        from slimtrain.backend import make_deterministic

        make_deterministic()
    asked, resume = taken_back(asked, resume)
    if resume is not None and init_from is not None:
        raise click.UsageError("--resume goes on with a run's own weights; --init-from starts from others. Give one.")
    if (include or exclude) and init_from is None:
        raise click.UsageError("--include and --exclude say what --init-from takes; give --init-from too.")
    document, run = asked.document()
    if run is not None:
        raise click.UsageError(f"fit takes a config; go on with: fit {run}/resolved.yaml --run-dir {run} --resume")
    from slimtrain.jobs.fit import Request, dry, fit
    from slimtrain.jobs.restore import Filter
    from slimtrain.jobs.tables import fitted, planned

    again = shlex.join(["slimtrain", "fit", *asked.words()])
    chosen = Filter(include, exclude)
    request = Request(
        document, run_dir, resume, init_from, chosen, sys.argv, again, grace, deterministic, own_process()
    )
    talk = asked.talk()
    if dry_run:
        found = dry(request, talk)
        return asked.show(found, planned(found))
    result = fit(request, talk)
    asked.show(result.record(), fitted(result.record()))


@click.command("eval")
@asks("RUN|CONFIG")
@click.option("--checkpoint", "which", default="last", metavar="best|last|STEP", help="Which checkpoint of the run.")
@click.option("--split", "split_name", default="test", show_default=True, help="Which split of the data.")
@click.option("--weights", type=click.Path(path_type=Path), help="Take the weights from a run, .npz or .safetensors.")
@averages_option
@click.option(
    "--recalibrate-bn",
    "recalibrate",
    is_flag=True,
    help="Compute batch norm's statistics anew, over the training split.",
)
@fold_option
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the evaluated variables to an .npz or .safetensors."
)
def eval_(
    asked: Asked,
    which: str,
    split_name: str,
    weights: Path | None,
    averages: bool,
    recalibrate: bool,
    fold: bool,
    out: Path | None,
) -> None:
    """Evaluate a run over a whole split, every example once."""
    ready(asked)
    document, run = asked.document()
    from slimtrain.jobs.evaluate import evaluate
    from slimtrain.jobs.tables import evaluated

    talk = asked.talk()
    found = evaluate(
        document,
        talk,
        run=run,
        which=which,
        split_name=split_name,
        weights=weights,
        averages=averages,
        recalibrate=recalibrate,
        fold=fold,
        out=out,
    ).record()
    asked.show(found, evaluated(found))


@click.command()
@asks("RUN")
@click.option("--format", "form", type=click.Choice(["npz", "safetensors"]), required=True, help="The file's format.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file.")
@click.option("--checkpoint", "which", default="last", metavar="best|last|STEP", help="Which checkpoint of the run.")
@include_option
@exclude_option
@averages_option
@fold_option
def export(
    asked: Asked,
    form: str,
    out: Path,
    which: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    averages: bool,
    fold: bool,
) -> None:
    """Write a run's variables to one file, each under its name."""
    document, run = asked.document()
    from slimtrain.jobs.export import config_beside
    from slimtrain.jobs.export import export as write
    from slimtrain.jobs.restore import Filter

    number = write(document, run, which, form, out, Filter(include, exclude), averages, fold, asked.talk())
    click.echo(f"{number} variables in {out}" + (f", their config in {config_beside(out)}" if fold else ""))


@click.command("time")
@asks("CONFIG|RUN")
@click.option("--steps", "count", type=click.IntRange(min=1), default=30, show_default=True, help="Timed steps.")
@click.option("--batch", type=click.IntRange(min=1), help="Examples in a batch; the config's by default.")
@click.option("--per-layer", is_flag=True, help="Time each layer by itself too.")
def time_(
    asked: Asked,
    count: int,
    batch: int | None,
    per_layer: bool,
) -> None:
    """Time the train step and the evaluation step on synthetic data."""
    ready(asked)
    document, _ = asked.document()
    talk = asked.talk()
    talk.warn(document.warnings)
    from slimtrain.jobs.tables import timed
    from slimtrain.jobs.timing import measure

    found = measure(document, count, batch, per_layer, talk)
    asked.show(found, timed(found))
