"""Commands that help to write configs: schema, layers, init, completion."""

from pathlib import Path

import click

from slimtrain.cli.asked import Asked, json_option, plugin_option


@click.command()
@plugin_option
def schema(plugins: tuple[str, ...]) -> None:
    """Print the JSON Schema of configs, for editors."""
    from slimtrain.jobs.reference import schema_text

    click.echo(schema_text(plugins))


@click.command()
@click.argument("name", required=False)
@plugin_option
@json_option
def layers(name: str | None, plugins: tuple[str, ...], as_json: bool) -> None:
    """List everything a config can name, or explain one: its arguments, types, defaults."""
    from slimtrain.jobs.reference import described, listed

    found, text = described(name, plugins) if name else listed(plugins)
    Asked(Path(), as_json=as_json).show(found, text)


@click.command()
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option("--template", default="convnet", show_default=True, help="Which starter: convnet or mlp.")
def init(out: Path | None, template: str) -> None:
    """Write a starter config to OUT, or print it."""
    from slimtrain.jobs.starter import starter, templates

    if template not in templates():
        raise click.BadParameter(f"'{template}' is none of {', '.join(templates())}.", param_hint="--template")
    text = starter(template, out)
    click.echo(text.rstrip("\n") if out is None else f"wrote {out}; train it with: slimtrain fit {out}")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell: eval "$(slimtrain completion bash)"."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    group = click.get_current_context().find_root().command
    click.echo(found(group, {}, "slimtrain", "_SLIMTRAIN_COMPLETE").source())
