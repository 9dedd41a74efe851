"""The commands: each reads what it was asked, calls one job, shows the result. Jobs are imported inside them, so that
starting the command line imports little."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click

from slimtrain import __version__
from slimtrain.cli.asked import Asked, asks, json_option, plugin_option
from slimtrain.cli.group import Group
from slimtrain.cli.importing import import_tf

averages_option = click.option(
    "--no-ema", "averages", is_flag=True, flag_value=False, default=True, help="Take the weights, not their averages."
)
include_option = click.option("--include", multiple=True, metavar="PATTERN", help="Only these variables.")
exclude_option = click.option("--exclude", multiple=True, metavar="PATTERN", help="Not these variables.")

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=Group, context_settings=CONTEXT)
@click.version_option(__version__, "-V", "--version", prog_name="slimtrain")
@click.option("--debug", is_flag=True, help="Show a traceback for unexpected errors.")
def main(debug: bool) -> None:
    """TF-Slim reborn on JAX: train networks from YAML that anyone can read.

    Start with: slimtrain init net.yaml && slimtrain fit net.yaml
    """
    del debug
    from slimtrain.backend import prepare

    prepare()


main.add_command(import_tf)


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


@main.command()
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
def fit(
    asked: Asked,
    run_dir: Path | None,
    resume: str | None,
    init_from: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Train the network of CONFIG."""
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

    again = shlex.join(
        ["slimtrain", "fit", str(asked.target), *asked.overrides, *(f"--plugin={p}" for p in asked.plugins)]
    )
    request = Request(document, run_dir, resume, init_from, Filter(include, exclude), sys.argv, again)
    talk = asked.talk()
    if dry_run:
        found = dry(request, talk)
        return asked.show(found, planned(found))
    result = fit(request, talk)
    asked.show(result.record(), fitted(result.record()))


@main.command("eval")
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
    out: Path | None,
) -> None:
    """Evaluate a run over a whole split, every example once."""
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
        out=out,
    ).record()
    asked.show(found, evaluated(found))


@main.command()
@asks("CONFIG|RUN")
@click.option("--weights", type=click.Path(path_type=Path), help="Take the weights from a run, .npz or .safetensors.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Run the net on a .npy, or an .npz with 'image'.")
@click.option("--batch", type=click.IntRange(min=1), help="Run the net on that many examples of the data.")
@click.option("--train", "training", is_flag=True, help="Run in training mode.")
@click.option("--collection", default="", metavar="NAME", help="Show the members of one collection.")
@include_option
@exclude_option
@averages_option
@click.option("--stats", is_flag=True, help="Show mean, deviation, range and zeros of each end point's values.")
@click.option("--dump", type=click.Path(path_type=Path), help="Write end points, variables and losses to an .npz.")
def inspect(
    asked: Asked,
    weights: Path | None,
    inputs: Path | None,
    batch: int | None,
    training: bool,
    collection: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    averages: bool,
    stats: bool,
    dump: Path | None,
) -> None:
    """Show the end points and variables of a network; with inputs, their values.

    Needs neither data nor weights: names, shapes, parameters, FLOPs and config lines come from abstract evaluation.
    """
    if inputs is not None and batch is not None:
        raise click.UsageError("--inputs and --batch both give the inputs; give one.")
    if stats and inputs is None and batch is None:
        raise click.UsageError("--stats shows values, which need --inputs FILE or --batch N.")
    document, run = asked.document()
    from slimtrain.jobs.inspect import inspect as look
    from slimtrain.jobs.lints import warnings_of, written_warnings
    from slimtrain.jobs.restore import Filter
    from slimtrain.jobs.tables import inspection

    found = look(
        document,
        run=run,
        weights=weights,
        inputs=inputs,
        batch=batch,
        training=training,
        collection=collection,
        chosen=Filter(include, exclude),
        averages=averages,
        dump=dump,
    )
    asked.talk().warn((written_warnings if run is None else warnings_of)(document, found.network))
    asked.show(found.record(), "" if asked.as_json else inspection(found, stats))


@main.command()
@asks("CONFIG")
@click.option("--fast", is_flag=True, help="Stop before shapes, which need JAX.")
def check(
    asked: Asked,
    fast: bool,
) -> None:
    """Check a config: text, values, scopes, names, then shapes. Tells every problem at once."""
    from slimtrain.jobs.check import check as problems_of
    from slimtrain.jobs.check import problem_record

    problems = problems_of(asked.target, asked.overrides, asked.plugins, fast)
    errors = [p for p in problems if p.severity == "error"]
    for problem in problems if asked.level >= 0 else errors:
        click.echo(str(problem), err=True)
    told = counted(len(errors), len(problems) - len(errors)) if problems else f"{asked.target}: no problems"
    asked.show({"ok": not errors, "problems": [problem_record(p) for p in problems]}, told)
    if errors:
        raise SystemExit(2)


def counted(errors: int, warnings: int) -> str:
    """`1 error, 2 warnings`."""
    return ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in ((errors, "error"), (warnings, "warning")))


@main.command()
@asks("CONFIG|RUN")
@click.option("--origin", is_flag=True, help="Say behind each value where it was set.")
def resolve(
    asked: Asked,
    origin: bool,
) -> None:
    """Print the config with scopes applied and every value filled in; it can be run as it is."""
    document, _ = asked.document()
    asked.talk().warn(document.warnings)
    from slimtrain.jobs.check import resolved_as

    asked.show(*resolved_as(document, origin))


@main.command()
@asks("CONFIG|RUN", "key")
def explain(
    asked: Asked,
    key: str,
) -> None:
    """Say where a value came from: default, arg scopes, call, command line.

    KEY is a section's key (train.steps) or a layer's scope and an argument (conv1.padding, conv1/BatchNorm.decay).
    """
    document, _ = asked.document()
    from slimtrain.jobs.check import explain as origin_of
    from slimtrain.jobs.check import explained

    found = origin_of(document, key)
    asked.show(found, explained(found))


@main.command()
@plugin_option
def schema(plugins: tuple[str, ...]) -> None:
    """Print the JSON Schema of configs, for editors."""
    from slimtrain.jobs.reference import schema_text

    click.echo(schema_text(plugins))


@main.command()
@click.argument("name", required=False)
@plugin_option
@json_option
def layers(name: str | None, plugins: tuple[str, ...], as_json: bool) -> None:
    """List everything a config can name, or explain one: its arguments, types, defaults."""
    from slimtrain.jobs.reference import described, listed

    found, text = described(name, plugins) if name else listed(plugins)
    Asked(Path(), as_json=as_json).show(found, text)


@main.command()
@asks("RUN")
@click.option("--format", "form", type=click.Choice(["npz", "safetensors"]), required=True, help="The file's format.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file.")
@click.option("--checkpoint", "which", default="last", metavar="best|last|STEP", help="Which checkpoint of the run.")
@include_option
@exclude_option
@averages_option
def export(
    asked: Asked,
    form: str,
    out: Path,
    which: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    averages: bool,
) -> None:
    """Write a run's variables to one file, each under its name."""
    document, run = asked.document()
    from slimtrain.jobs.export import export as write
    from slimtrain.jobs.restore import Filter

    number = write(document, run, which, form, out, Filter(include, exclude), averages)
    click.echo(f"{number} variables in {out}")


@main.command("time")
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
    document, _ = asked.document()
    asked.talk().warn(document.warnings)
    from slimtrain.jobs.tables import timed
    from slimtrain.jobs.timing import measure

    found = measure(document, count, batch, per_layer)
    asked.show(found, timed(found))


@main.command()
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option("--template", default="convnet", show_default=True, help="Which starter: convnet or mlp.")
def init(out: Path | None, template: str) -> None:
    """Write a starter config to OUT, or print it."""
    from slimtrain.jobs.starter import starter, templates

    if template not in templates():
        raise click.BadParameter(f"'{template}' is none of {', '.join(templates())}.", param_hint="--template")
    text = starter(template, out)
    click.echo(text.rstrip("\n") if out is None else f"wrote {out}; train it with: slimtrain fit {out}")


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell: eval "$(slimtrain completion bash)"."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "slimtrain", "_SLIMTRAIN_COMPLETE").source())
