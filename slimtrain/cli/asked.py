"""What every command that reads a config is asked: which one, what to change in it, how much to say."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Asked:
    """The target with its overrides and plug-ins; `level` is how much to say, `as_json` the form of the result."""

    target: Path
    overrides: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    level: int = 0
    as_json: bool = False

    def words(self) -> list[str]:
        """The target, overrides and plug-ins as they were typed."""
        return [str(self.target), *self.overrides, *(f"--plugin={p}" for p in self.plugins)]

    def document(self) -> Any:
        """(document, run) of the config or run."""
        from slimtrain.jobs.target import document_of

        return document_of(self.target, self.overrides, self.plugins)

    def talk(self) -> Any:
        """Where a job talks to."""
        from slimtrain.jobs.talk import Talk

        return Talk(self.level)

    def show(self, value: Any, text: str) -> None:
        """The result on stdout: as JSON, or as text for people."""
        if not self.as_json:
            return click.echo(text)
        from slimtrain.jobs.tables import json_text

        click.echo(json_text(value))


plugin_option = click.option("--plugin", "plugins", multiple=True, metavar="MODULE", help="Module with further layers.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
averages_option = click.option(
    "--no-ema", "averages", is_flag=True, flag_value=False, default=True, help="Take the weights, not their averages."
)
fold_option = click.option(
    "--fold-bn", "fold", is_flag=True, help="Fold batch norms into the weights and biases of their layers."
)
include_option = click.option("--include", multiple=True, metavar="PATTERN", help="Only these variables.")
exclude_option = click.option("--exclude", multiple=True, metavar="PATTERN", help="Not these variables.")
overrides_argument = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


def asks(what: str, *between: str, required: bool = True) -> Callable[[F], F]:
    """Gives a command the arguments and options of `Asked` and hands them over as its first argument.

    Args:
        what: what the target is called in the help.
        between: names of further arguments, between the target and the overrides.
        required: whether the target must be given; the command gets the path '' without it.
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def run(target: Path | None, overrides: Any, plugins: Any, verbose: bool, quiet: bool, **rest: Any) -> Any:
            level = -1 if quiet else int(verbose)
            as_json = rest.pop("as_json")
            return function(Asked(target or Path(), overrides, plugins, level, as_json), **rest)

        decorated: Any = json_option(overrides_argument(run))
        for name in reversed(between):
            decorated = click.argument(name)(decorated)
        path = click.Path(path_type=Path)
        decorated = click.argument("target", metavar=what, type=path, required=required)(plugin_option(decorated))
        decorated = click.option("-v", "--verbose", is_flag=True, help="Say more.")(decorated)
        wrapped: F = click.option("-q", "--quiet", is_flag=True, help="Say errors only; no bar.")(decorated)
        return wrapped

    return decorate
