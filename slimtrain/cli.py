"""The command line: one click group, jobs imported inside the commands, so that starting it imports little."""

import errno
import json
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from slimtrain import __version__
from slimtrain.errors import SlimtrainError, did_you_mean

F = TypeVar("F", bound=Callable[..., Any])
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Group(click.Group):
    """A group that turns slimtrain's errors into lines and exit codes, and suggests commands."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; every way it can fail ends in one line or several and a documented exit code."""
        try:
            return super().invoke(ctx)
        except SlimtrainError as error:
            leave(error.exit_code, map(str, error.problems))
        except KeyboardInterrupt:
            leave(130, ["stopped by SIGINT"])
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            leave(*unexpected(error))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command that is named; an unknown one is told with the nearest."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"No such command '{name}'. {did_you_mean(name, self.commands)}".strip())
        return super().resolve_command(ctx, args)


def leave(code: int, lines: Iterable[str]) -> NoReturn:
    """Prints lines on stderr and ends the process with a code."""
    for line in lines:
        click.echo(line, err=True)
    raise SystemExit(code)


def unexpected(error: Exception) -> tuple[int, list[str]]:
    """(exit code, lines) for an error that nothing told in its own words."""
    first = (str(error).split("\n", 1)[0] or type(error).__name__)[:300]
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return 74, [f"cannot write: {error.strerror}: {error.filename or ''}"]
    if "RESOURCE_EXHAUSTED" in first or isinstance(error, MemoryError):
        return 1, [f"out of memory: {first}; lower data.batch_size, or set 'remat: true' on blocks"]
    return 1, [f"{type(error).__name__}: {first}", "run 'slimtrain --debug ...' for the traceback"]


def common(function: F) -> F:
    """The options of every command that reads a config: plug-ins and how much to say."""
    function = click.option("--plugin", "plugins", multiple=True, metavar="MODULE", help="Module with further layers.")(
        function
    )
    function = click.option("-v", "--verbose", is_flag=True, help="Say more.")(function)
    return click.option("-q", "--quiet", is_flag=True, help="Say errors only; no bar.")(function)


def reads(what: str, required: bool = True) -> Callable[[F], F]:
    """The argument that names a config or run, and the overrides after it."""

    def decorate(function: F) -> F:
        function = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(function)
        target = click.argument("target", metavar=what, type=click.Path(path_type=Path), required=required)
        return target(common(function))

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def show(value: Any, text: str, as_json: bool) -> None:
    """The result on stdout: as JSON, or as text for people."""
    if not as_json:
        return click.echo(text)
    from slimtrain.store.files import plain

    click.echo(json.dumps(plain(value), indent=1))


def talk_of(verbose: bool, quiet: bool) -> Any:
    """How much to say on stderr."""
    from slimtrain.jobs.talk import Talk

    return Talk(-1 if quiet else int(verbose))


def opened(target: Path, overrides: tuple[str, ...], plugins: tuple[str, ...]) -> Any:
    """(document, run) of a config or run."""
    from slimtrain.jobs.target import document_of

    return document_of(target, overrides, plugins)


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


def taken_back(
    target: Path | None, overrides: tuple[str, ...], resume: str | None
) -> tuple[Path, tuple[str, ...], str | None]:
    """Undoes that click takes the word after a bare --resume, an override or the config, for its value."""
    if resume and Path(resume).is_file():
        more = () if target is None else (str(target),)
        target, overrides, resume = Path(resume), (*more, *overrides), ""
    elif resume and ("=" in resume or resume[0] in "+~") and not Path(resume).exists():
        overrides, resume = (resume, *overrides), ""
    if target is None:
        raise click.UsageError("Missing argument 'CONFIG'.")
    return target, overrides, resume


@main.command()
@reads("CONFIG", required=False)
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
@json_option
def fit(
    target: Path | None,
    overrides: tuple[str, ...],
    run_dir: Path | None,
    resume: str | None,
    init_from: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    plugins: tuple[str, ...],
    verbose: bool,
    quiet: bool,
) -> None:
    """Train the network of CONFIG."""
    target, overrides, resume = taken_back(target, overrides, resume)
    if resume is not None and init_from is not None:
        raise click.UsageError("--resume goes on with a run's own weights; --init-from starts from others. Give one.")
    if (include or exclude) and init_from is None:
        raise click.UsageError("--include and --exclude say what --init-from takes; give --init-from too.")
    document, _ = opened(target, overrides, plugins)
    from slimtrain.jobs.fit import Request, dry, fit
    from slimtrain.jobs.restore import Filter
    from slimtrain.jobs.tables import fitted, planned

    again = shlex.join(["slimtrain", "fit", str(target), *overrides, *(f"--plugin={p}" for p in plugins)])
    request = Request(document, run_dir, resume, init_from, Filter(include, exclude), sys.argv, again)
    talk = talk_of(verbose, quiet)
    if dry_run:
        found = dry(request, talk)
        return show(found, planned(found), as_json)
    result = fit(request, talk)
    show(result.record(), fitted(result.record()), as_json)


@main.command("eval")
@reads("RUN|CONFIG")
@click.option("--checkpoint", "which", default="last", metavar="best|last|STEP", help="Which checkpoint of the run.")
@click.option("--split", "split_name", default="test", show_default=True, help="Which split of the data.")
@click.option("--weights", type=click.Path(path_type=Path), help="Take the weights from a run, .npz or .safetensors.")
@json_option
def eval_(
    target: Path,
    overrides: tuple[str, ...],
    which: str,
    split_name: str,
    weights: Path | None,
    as_json: bool,
    plugins: tuple[str, ...],
    verbose: bool,
    quiet: bool,
) -> None:
    """Evaluate a run over a whole split, every example once."""
    document, run = opened(target, overrides, plugins)
    from slimtrain.jobs.evaluate import evaluate
    from slimtrain.jobs.tables import evaluated

    talk = talk_of(verbose, quiet)
    found = evaluate(document, talk, run=run, which=which, split_name=split_name, weights=weights).record()
    show(found, evaluated(found), as_json)


@main.command()
@reads("CONFIG|RUN")
@click.option("--weights", type=click.Path(path_type=Path), help="Take the weights from a run, .npz or .safetensors.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Run the net on a .npy, or an .npz with 'image'.")
@click.option("--batch", type=click.IntRange(min=1), help="Run the net on that many examples of the data.")
@click.option("--train", "training", is_flag=True, help="Run in training mode.")
@click.option("--collection", default="", metavar="NAME", help="Show the members of one collection.")
@click.option("--stats", is_flag=True, help="Show mean, deviation, range and zeros of each end point's values.")
@click.option("--dump", type=click.Path(path_type=Path), help="Write end points, variables and losses to an .npz.")
@json_option
def inspect(
    target: Path,
    overrides: tuple[str, ...],
    weights: Path | None,
    inputs: Path | None,
    batch: int | None,
    training: bool,
    collection: str,
    stats: bool,
    dump: Path | None,
    as_json: bool,
    plugins: tuple[str, ...],
    verbose: bool,
    quiet: bool,
) -> None:
    """Show the end points and variables of a network; with inputs, their values.

    Needs neither data nor weights: names, shapes, parameters, FLOPs and config lines come from abstract evaluation.
    """
    if inputs is not None and batch is not None:
        raise click.UsageError("--inputs and --batch both give the inputs; give one.")
    if stats and inputs is None and batch is None:
        raise click.UsageError("--stats shows values, which need --inputs FILE or --batch N.")
    document, run = opened(target, overrides, plugins)
    from slimtrain.jobs.inspect import inspect as look
    from slimtrain.jobs.lints import warnings_of
    from slimtrain.jobs.tables import inspection

    found = look(
        document,
        run=run,
        weights=weights,
        inputs=inputs,
        batch=batch,
        training=training,
        collection=collection,
        dump=dump,
    )
    talk_of(verbose, quiet).warn(warnings_of(document, found.network))
    show(found.record(), "" if as_json else inspection(found, stats), as_json)


@main.command()
@reads("CONFIG")
@click.option("--fast", is_flag=True, help="Stop before shapes, which need JAX.")
@json_option
def check(
    target: Path,
    overrides: tuple[str, ...],
    fast: bool,
    as_json: bool,
    plugins: tuple[str, ...],
    verbose: bool,
    quiet: bool,
) -> None:
    """Check a config: text, values, scopes, names, then shapes. Tells every problem at once."""
    del verbose
    from slimtrain.jobs.check import check as problems_of
    from slimtrain.jobs.check import problem_record

    problems = problems_of(target, overrides, plugins, fast)
    errors = [p for p in problems if p.severity == "error"]
    for problem in problems if not quiet else errors:
        click.echo(str(problem), err=True)
    told = counted(len(errors), len(problems) - len(errors)) if problems else f"{target}: no problems"
    show({"ok": not errors, "problems": [problem_record(p) for p in problems]}, told, as_json)
    if errors:
        raise SystemExit(2)


def counted(errors: int, warnings: int) -> str:
    """`1 error, 2 warnings`."""
    return ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in ((errors, "error"), (warnings, "warning")))


@main.command()
@reads("CONFIG|RUN")
@click.option("--origin", is_flag=True, help="Say behind each value where it was set.")
@json_option
def resolve(
    target: Path,
    overrides: tuple[str, ...],
    origin: bool,
    as_json: bool,
    plugins: tuple[str, ...],
    verbose: bool,
    quiet: bool,
) -> None:
    """Print the config with scopes applied and every value filled in; it can be run as it is."""
    document, _ = opened(target, overrides, plugins)
    talk_of(verbose, quiet).warn(document.warnings)
    from slimtrain.config.nodes import plain
    from slimtrain.config.resolved import resolved
    from slimtrain.config.text import read_text

    text = resolved(document, origin)
    show(plain(read_text(text, str(target))), text.rstrip("\n"), as_json)


@main.command()
@click.argument("target", metavar="CONFIG|RUN", type=click.Path(path_type=Path))
@click.argument("key")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@common
@json_option
def explain(
    target: Path,
    key: str,
    overrides: tuple[str, ...],
    as_json: bool,
    plugins: tuple[str, ...],
    verbose: bool,
    quiet: bool,
) -> None:
    """Say where a value came from: default, arg scopes, call, command line.

    KEY is a section's key (train.steps) or a layer's scope and an argument (conv1.padding, conv1/BatchNorm.decay).
    """
    del verbose, quiet
    document, _ = opened(target, overrides, plugins)
    from slimtrain.jobs.check import explain as origin_of
    from slimtrain.jobs.check import explained

    found = origin_of(document, key)
    show(found, explained(found), as_json)


@main.command()
@click.option("--plugin", "plugins", multiple=True, metavar="MODULE", help="Module with further layers.")
def schema(plugins: tuple[str, ...]) -> None:
    """Print the JSON Schema of configs, for editors."""
    from slimtrain.config.schema import json_schema
    from slimtrain.jobs.builtin import catalog

    click.echo(json.dumps(json_schema(catalog(plugins)), indent=1))


@main.command()
@click.argument("name", required=False)
@click.option("--plugin", "plugins", multiple=True, metavar="MODULE", help="Module with further layers.")
@json_option
def layers(name: str | None, plugins: tuple[str, ...], as_json: bool) -> None:
    """List everything a config can name, or explain one: its arguments, types, defaults."""
    from slimtrain.jobs.reference import described, listed

    found, text = described(name, plugins) if name else listed(plugins)
    show(found, text, as_json)


@main.command()
@reads("RUN")
@click.option("--format", "form", type=click.Choice(["npz", "safetensors"]), required=True, help="The file's format.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file.")
@click.option("--checkpoint", "which", default="last", metavar="best|last|STEP", help="Which checkpoint of the run.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only these variables.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Not these variables.")
def export(
    target: Path,
    overrides: tuple[str, ...],
    form: str,
    out: Path,
    which: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    plugins: tuple[str, ...],
    verbose: bool,
    quiet: bool,
) -> None:
    """Write a run's variables to one file, each under its name."""
    del verbose, quiet
    document, run = opened(target, overrides, plugins)
    from slimtrain.jobs.export import export as write
    from slimtrain.jobs.restore import Filter

    number = write(document, run, which, form, out, Filter(include, exclude))
    click.echo(f"{number} variables in {out}")


@main.command("time")
@reads("CONFIG|RUN")
@click.option("--steps", "count", type=click.IntRange(min=1), default=30, show_default=True, help="Timed steps.")
@click.option("--batch", type=click.IntRange(min=1), help="Examples in a batch; the config's by default.")
@click.option("--per-layer", is_flag=True, help="Time each layer by itself too.")
@json_option
def time_(
    target: Path,
    overrides: tuple[str, ...],
    count: int,
    batch: int | None,
    per_layer: bool,
    as_json: bool,
    plugins: tuple[str, ...],
    verbose: bool,
    quiet: bool,
) -> None:
    """Time the train step and the evaluation step on synthetic data."""
    document, _ = opened(target, overrides, plugins)
    talk_of(verbose, quiet).warn(document.warnings)
    from slimtrain.jobs.tables import timed
    from slimtrain.jobs.timing import measure

    found = measure(document, count, batch, per_layer)
    show(found, timed(found), as_json)


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


if __name__ == "__main__":
    main(prog_name="slimtrain")
