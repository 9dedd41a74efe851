"""Resolved values as JSON can hold them."""

from pathlib import Path

from slimtrain.config.document import read
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.plain import plain_value

TEXT = "data: {source: digits, preprocess: [{standardize: {mean: [0.5], std: [2]}}]}\nmodel: {layers: [flatten]}\n"


def test_components_tuples_and_paths(tmp_path):
    (tmp_path / "c.yaml").write_text(TEXT)
    step = read(tmp_path / "c.yaml", (), catalog()).data.preprocess[0]
    found = plain_value({"step": step, "path": Path("a/b"), "pair": (1, (2, None))})
    assert found == {"step": {"standardize": {"mean": [0.5], "std": [2.0]}}, "path": "a/b", "pair": [1, [2, None]]}
