"""CONFIG or RUN."""

import pytest

from slimtrain.errors import ConfigError
from slimtrain.jobs.target import document_of, load


def test_a_config_or_a_run(small, run):
    document, found = document_of(small, ["train.steps=9"])
    assert (document.name, document.train.steps, found) == ("small", 9, None)
    document, found = document_of(run, ["train.steps=8"])
    assert (document.train.steps, document.data.batch_size, found) == (8, 16, run)
    assert load(str(run)).train.steps == 24


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(ConfigError, match="is not a run directory; a run directory holds config.yaml, resolved"):
        document_of(tmp_path)
