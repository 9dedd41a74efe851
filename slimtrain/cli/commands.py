"""The command line's group. A command reads what it was asked, calls one job, shows the result; jobs are imported
inside the commands, so that starting the command line imports little."""

import click

from slimtrain import __version__
from slimtrain.cli import autopsying, doctor, helping, importing, reading, running, verifying
from slimtrain.cli.group import Group

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


COMMANDS = (
    *(running.fit, running.eval_, running.export, running.time_, importing.import_tf),
    *(verifying.verify_resume, autopsying.autopsy, doctor.doctor),
    *(reading.inspect, reading.check, reading.resolve, reading.explain),
    *(helping.schema, helping.layers, helping.init, helping.completion),
)
for command in COMMANDS:
    main.add_command(command)
