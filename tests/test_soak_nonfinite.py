"""A share of the soak of numbers that are not finite, in this process: what is counted by hundreds there holds here."""

import random

import pytest
from click.testing import CliRunner
from soak import nonfinite
from soak.tally import Tally

from slimtrain.cli import main

SHARE = 3


def in_here(words):
    done = CliRunner().invoke(main, list(words), prog_name="slimtrain")
    return done.exit_code, done.stdout, done.stderr


def test_what_is_planted_is_found_and_never_saved(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(nonfinite.PLUGINS))
    draw = random.Random()
    plants = draw.sample(nonfinite.PLANTS, SHARE)
    tries = [nonfinite.tried(p, tmp_path / p.__name__, draw.randrange(1 << 30), in_here) for p in plants]
    tally = Tally().take(tries)
    assert tally.failures == [] and tally.tried.total() == SHARE


@pytest.mark.parametrize("words", [["--step", "99"], []])
def test_a_run_without_records_is_told(tmp_path, words):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    code, out, said = in_here(["autopsy", str(tmp_path / "run"), *words])
    assert code == 2 and out == "" and "resolved.yaml" in said
