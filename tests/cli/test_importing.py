"""`import-tf` on the command line."""

import subprocess
import sys

from click.testing import CliRunner

from slimtrain.cli import main


def test_help():
    told = CliRunner().invoke(main, ["import-tf", "-h"]).output
    assert all(word in told for word in ("CKPT OUT", "--ema", "--include", "--exclude", "--json"))


def test_what_is_missing_is_told():
    done = CliRunner().invoke(main, ["import-tf", "model.ckpt"])
    assert done.exit_code == 2 and "Missing argument 'OUT'" in done.stderr


def test_no_tensorflow_is_imported():
    code = "import sys; from slimtrain.jobs.import_tf import import_tf; assert 'tensorflow' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
