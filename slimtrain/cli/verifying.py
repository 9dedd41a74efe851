"""`slimtrain verify-resume`."""

import click

from slimtrain.cli.asked import Asked, asks


@click.command("verify-resume")
@asks("CONFIG")
@click.option("--kills", type=click.IntRange(min=1), default=5, show_default=True, help="How many processes to kill.")
@click.option("--steps", type=click.IntRange(min=1), default=100, show_default=True, help="Steps to train.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="What the moments depend on.")
def verify_resume(asked: Asked, kills: int, steps: int, seed: int) -> None:
    """Prove that a run of CONFIG that is killed and resumed ends as if nothing had been.

    Trains it for some steps without a stop, and again with SIGKILLs at random moments, each time resumed; compares
    every bit of the checkpoints and every line of metrics. Leaves with 1 where they differ.
    """
    document, run = asked.document()
    if run is not None:
        raise click.UsageError(f"verify-resume takes a config; that of the run is {run}/resolved.yaml")
    from slimtrain.jobs.tables import verified
    from slimtrain.jobs.verify_resume import verify_resume as verify

    found = verify(document, asked.words(), kills, steps, seed, asked.talk())
    asked.show(found.record(), verified(found))
    if found.differences:
        raise SystemExit(1)
