"""A record of a diverged step that is not ours is refused, whatever its seal."""

import pytest

from slimtrain.errors import CheckpointError
from slimtrain.store import diverged
from slimtrain.store.manifest import sealed
from slimtrain.store.rundir import RunDir


@pytest.mark.parametrize("body", [{"format": 1}, {"format": 1, "step": 3, "facts": {}, "arrays": {}, "files": {}}])
def test_a_sealed_record_without_its_parts_is_refused(tmp_path, body):
    run = RunDir(tmp_path)
    run.diverged.mkdir()
    diverged.path_of(run, 3).write_bytes(sealed(body))
    with pytest.raises(CheckpointError, match="is damaged"):
        diverged.load(run)
