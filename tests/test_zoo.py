"""The nets of TF-Slim as configs: each against the facts that were read off the original's training graph."""

import json
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest

from slimtrain.config.document import read
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.check import check
from slimtrain.jobs.inspect import inspect

ROOT = Path(__file__).parents[1]
FACTS = {path.stem: path for path in sorted((ROOT / "tests/nets").glob("*.json"))}
NETS = {path.stem: path for path in sorted((ROOT / "configs/nets").glob("*.yaml"))}
every_net = pytest.mark.parametrize("name", NETS)


@cache
def found(name: str, *overrides: str) -> dict[str, Any]:
    """What `slimtrain inspect --json` says of a net."""
    return inspect(read(NETS[name], overrides, catalog())).record()


@cache
def facts(name: str) -> dict[str, Any]:
    return json.loads(FACTS[name].read_text())


def test_every_net_is_there():
    assert NETS.keys() == FACTS.keys() and len(FACTS) == 40


@every_net
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


@every_net
def test_a_net_takes_another_number_of_classes(name):
    before, after = (v["variables"] for v in (found(name), found(name, "params.num_classes=7")))
    shapes = {v["name"]: v["shape"] for v in after}
    assert [v["name"] for v in before] == list(shapes)
    heads = [v for v in before if v["shape"] != shapes[v["name"]]]
    assert heads and {prod(v["shape"]) // v["shape"][-1] for v in heads} >= {1}
    assert {shapes[v["name"]][-1] for v in heads} == {7}


@every_net
def test_a_net_opens_with_its_figures_and_command_and_passes_the_check(name):
    head = NETS[name].read_text().split("\n\n", 1)[0]
    assert f"{facts(name)['trainable_parameters']:,} parameters" in head
    assert f"# slimtrain inspect configs/nets/{name}.yaml [params.num_classes=N]" in head
    assert check(NETS[name], (), (), fast=True) == []


@pytest.mark.parametrize("name", ["resnet_v1_50", "resnet_v2_50"])
@pytest.mark.parametrize(
    ("strides", "rates", "places"), [([2, 2, 1, 1], [1, 1, 1, 2], 20), ([2, 1, 1, 1], [1, 1, 2, 4], 40)]
)
def test_resnets_are_fully_convolutional_at_a_smaller_output_stride(name, strides, rates, places):
    dense = ("params.global_pool=false", "params.spatial_squeeze=false", "model.input.shape=[320,320,3]")
    net = found(name, f"params.strides={strides}", f"params.rates={rates}", *dense)
    shapes = {e["name"]: e["shape"][1:] for e in net["end_points"]}
    assert shapes[f"{name}/block4"] == [places, places, 2048]
    assert shapes[f"{name}/logits"] == [places, places, 1000]
    assert {v["name"]: v["shape"] for v in net["variables"]} == facts(name)["variables"]


@pytest.mark.parametrize(
    ("name", "shape", "places"), [("vgg_16", 256, 2), ("alexnet_v2", 300, 4), ("overfeat", 281, 2)]
)
def test_dense_layers_as_convolutions_take_larger_images(name, shape, places):
    larger = f"model.input.shape=[{shape},{shape},3]"
    for words, want in (("params.spatial_squeeze=false", [places, places, 1000]), ("params.global_pool=true", [1000])):
        net = found(name, larger, words)
        shapes = {e["name"]: e["shape"][1:] for e in net["end_points"]}
        assert shapes[f"{name}/fc8"] == want
        assert {v["name"]: v["shape"] for v in net["variables"]} == facts(name)["variables"]
