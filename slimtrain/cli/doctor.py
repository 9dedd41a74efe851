"""`slimtrain doctor`."""

import json

import click

from slimtrain.cli.asked import json_option


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look at all that a run stands on, and say what to do about what is amiss.

    Versions, devices, threads, JAX's numbers, the native part, caches, disks, memory, variables. Leaves with 1 where
    there is a problem; a warning is none.
    """
    from slimtrain.jobs.doctor import examine, record, well
    from slimtrain.jobs.findings import text

    findings = list(examine(lambda line: click.echo(line, err=True)))
    click.echo(json.dumps(record(findings), indent=1) if as_json else text(findings))
    if not well(findings):
        raise SystemExit(1)
