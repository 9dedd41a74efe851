"""The catalog that commands use."""

import pytest

from slimtrain.errors import ConfigError
from slimtrain.jobs.builtin import catalog

PLUGIN = """
from slimtrain import layer

@layer(scope="Twice")
def twice(scope, inputs, *, times: float = 2.0):
    \"\"\"Multiplies by a number.

    Args:
        times: the number.
    \"\"\"
    return inputs * times
"""


def test_every_kind_has_something():
    found = catalog()
    assert all(found.kind(kind) for kind in ("layer", "join", "loss", "metric", "optimizer", "schedule", "source"))


def test_a_plugin_adds_a_layer(cli, small, tmp_path, monkeypatch):
    (tmp_path / "my_twice.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["model.layers.1={twice: {times: 3}}", "--plugin", "my_twice"]
    done = cli("layers", "twice", *words[1:])
    assert done.code == 0 and "Multiplies by a number." in done.out
    done = cli("check", small, "--fast", *words)
    assert done.code == 0, done.err
    assert "no op 'twice'" in cli("check", small, words[0]).err


NORMALIZER = '''
from slimtrain import layer


@layer(scope="Half", normalizer=True)
def halve(scope, inputs, *, by: float = 2.0):
    """Divides by a number.

    Args:
        by: the number.
    """
    return inputs / by
'''


def test_a_plugin_normalizer_is_explained_under_its_own_scope(cli, small, tmp_path, monkeypatch):
    (tmp_path / "my_normalizer.py").write_text(NORMALIZER)
    monkeypatch.syspath_prepend(tmp_path)
    override = "model.layers.0.conv2d.normalizer_fn={halve: {by: 4.0}}"
    done = cli("explain", small, "conv1/Half.by", override, "--plugin", "my_normalizer")
    assert done.code == 0, done.err
    assert done.out.startswith("conv1/Half.by = 4.0   (command line)")


def test_a_plugin_that_is_not_there():
    with pytest.raises(ConfigError, match="cannot import 'no_such'"):
        catalog(("no_such",))
