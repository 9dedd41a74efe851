"""The command line; `slimtrain.cli:main` is the console script."""

from slimtrain.cli.commands import main as main
