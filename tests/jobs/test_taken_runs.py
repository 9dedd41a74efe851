"""A run's directory that another process takes, or that goes, between two steps of this one."""

import shutil

import pytest

from slimtrain.errors import WriteError
from slimtrain.jobs import begin, fit
from slimtrain.jobs.keeper import Keeper
from slimtrain.jobs.target import load
from slimtrain.store.rundir import RunDir, lock


def test_a_run_that_began_and_ended_meanwhile_is_not_begun_anew(run, cli, small, tmp_path, monkeypatch):
    def claim(request):
        claimed = begin.claim(request)
        shutil.copytree(run, claimed.path, dirs_exist_ok=True)
        return claimed

    monkeypatch.setattr(fit, "claim", claim)
    path = tmp_path / "run"
    done = cli("fit", small, "--run-dir", path)
    assert done.code == 2 and f"{path}: holds a run already; add --resume to go on with it, or start" in done.err
    for name in ("metrics.jsonl", "env.json", "last", "config.yaml"):
        assert (path / name).read_bytes() == (run / name).read_bytes()


def test_lines_are_not_written_into_a_folder_that_is_gone(small, tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    with lock(RunDir(path)) as held, Keeper.open(held, load(small), 0) as keeper:
        keeper.write({"step": 1, "train/loss": 1.0})
        shutil.rmtree(path)
        with pytest.raises(WriteError, match=f"^{path}: was removed, renamed or replaced while it was in use; noth"):
            keeper.write({"step": 2, "train/loss": 1.0})
        assert not path.exists()
