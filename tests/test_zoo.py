"""The nets of TF-Slim as configs: each against the facts that were read off the original's training graph."""

import json
from pathlib import Path

import pytest

from slimtrain.config.document import read
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.inspect import inspect

ROOT = Path(__file__).parents[1]
FACTS = {path.stem: path for path in sorted((ROOT / "tests/nets").glob("*.json"))}
NETS = {path.stem: path for path in sorted((ROOT / "configs/nets").glob("*.yaml"))}


def found(name: str, *overrides: str):
    """What `slimtrain inspect --json` says of a net."""
    return inspect(read(NETS[name], overrides, catalog())).record()


def facts(name: str):
    return json.loads(FACTS[name].read_text())


@pytest.mark.parametrize("name", NETS)
def test_a_net_is_tf_slims(name):
    net, original = found(name), facts(name)
    assert {v["name"]: v["shape"] for v in net["variables"]} == original["variables"]
    shapes = {e["name"]: e["shape"][1:] for e in net["end_points"]}
    stated = {n: shape for n, shape in original["end_points"].items() if shape is not None}
    assert original["end_points"].keys() <= shapes.keys()
    assert {n: shapes[n] for n in stated} == stated
    assert net["parameters"] == {
        "trainable": original["trainable_parameters"],
        "total": original["model_parameters"],
    }
    assert net["update_ops"] == original["update_ops"]
    assert net["regularization_losses"] == original["regularization_losses"]
