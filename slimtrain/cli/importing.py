"""`slimtrain import-tf`."""

from pathlib import Path

import click

from slimtrain.cli.asked import Asked, json_option


@click.command("import-tf")
@click.argument("source", metavar="CKPT", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--ema", "averages", is_flag=True, help="Take the moving averages where there are some.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only these variables.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Not these variables.")
@json_option
def import_tf(
    source: Path, out: Path, averages: bool, include: tuple[str, ...], exclude: tuple[str, ...], as_json: bool
) -> None:
    """Write the variables of a TensorFlow checkpoint to OUT, an .npz or .safetensors, each under its name.

    CKPT is a checkpoint's prefix (model.ckpt-100), one of its files, or a folder with a 'checkpoint' file.
    """
    from slimtrain.jobs.import_tf import import_tf as write
    from slimtrain.jobs.import_tf import imported
    from slimtrain.jobs.restore import Filter

    found = write(source, out, averages=averages, chosen=Filter(include, exclude)).record()
    Asked(Path(), as_json=as_json).show(found, imported(found))
