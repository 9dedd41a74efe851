"""`slimtrain autopsy`."""

import click

from slimtrain.cli.asked import Asked, asks


@click.command()
@asks("RUN")
@click.option("--step", type=click.IntRange(min=1), help="Which step; the last one whose batch was kept by default.")
def autopsy(asked: Asked, step: int | None) -> None:
    """Take the step again that RUN stopped at, or left out, since its numbers were not finite.

    Names the first end point that is not finite in the forward pass, else the loss, the first gradient from the loss
    back, or what the optimizer makes of them, with its line in the config.
    """
    document, run = asked.document()
    if run is None:
        raise click.UsageError(f"autopsy takes a run's directory; {asked.target} is none")
    from slimtrain.jobs.autopsy import autopsy as look
    from slimtrain.jobs.autopsy_text import told

    found = look(document, run, step, asked.talk())
    asked.show(found.record(), told(found))
