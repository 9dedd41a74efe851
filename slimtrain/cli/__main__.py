"""`python -m slimtrain.cli`."""

from slimtrain.cli.commands import main

main(prog_name="slimtrain")
