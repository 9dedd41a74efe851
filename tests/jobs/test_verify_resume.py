"""`verify-resume` with real processes and real kills: it proves what holds, and tells what does not."""

import json
from pathlib import Path

import pytest

from slimtrain.jobs.target import load
from slimtrain.jobs.verify_resume import shortened

BROKEN = """
from slimtrain.config.catalog import layer
from slimtrain.lazy import Array, jnp
from slimtrain.net.scope import Scope
import os

@layer(scope="Drift")
def drift(scope: Scope, inputs: Array) -> Array:
    '''Adds a number that is another one in each process.

    Source: none.
    '''
    return inputs + os.getpid() * 1e-6
"""


def test_kills_do_not_show(small, cli):
    done = cli("verify-resume", small, "--kills", 3, "--steps", 30, "--json")
    found = json.loads(done.out)
    assert done.code == 0 and found["identical"] and found["differences"] == [] and found["kept"] is None
    assert len(found["kills"]) == 3 and found["steps"] == 30 and found["finishes"] >= 1


def test_what_is_not_the_same_in_every_process_is_found_out(small, cli, tmp_path, monkeypatch):
    (tmp_path / "drifting.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["--plugin", "drifting", "model.layers.2={drift: {}}"]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = cli("verify-resume", small, *words, "--kills", 1, "--steps", 12)
    assert done.code == 1 and "1 kill, " in done.out and "not identical (the runs are kept in " in done.out
    assert " arrays differ, the first '" in done.out


@pytest.mark.parametrize("words, told", [(["data.batch_size=900"], "exit code 4: "), (["~losses"], "losses")])
def test_what_cannot_be_trained_is_told(small, cli, words, told):
    done = cli("verify-resume", small, *words, "--kills", 1)
    assert done.code in (1, 2) and told in done.err


def test_a_run_is_no_config(cli, run):
    done = cli("verify-resume", run)
    assert done.code == 2 and f"that of the run is {run}/resolved.yaml" in done.err


def test_the_run_is_shortened_with_lines_evaluations_and_checkpoints_on_the_way():
    document = load(Path(__file__).parents[2] / "configs" / "digits.yaml")
    words = shortened(document, 60)
    assert "~train.epochs" in words and "train.checkpoint_every=10" in words and "train.eval_every=30" in words
