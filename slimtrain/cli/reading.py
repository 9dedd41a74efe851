"""Commands that read a config and tell what it means: inspect, check, resolve, explain."""

from pathlib import Path

import click

from slimtrain.cli.asked import Asked, asks, averages_option, exclude_option, include_option


@click.command()
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


@click.command()
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


@click.command()
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


@click.command()
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
