"""`python -m slimtrain`."""

from slimtrain.cli.commands import main

if __name__ == "__main__":
    main(prog_name="slimtrain")
