"""The command line's overrides: what they set, add and remove, and what they say when they lead nowhere."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimtrain.config.merge import load
from slimtrain.config.nodes import plain
from slimtrain.config.overrides import apply_override, parse_override
from slimtrain.config.text import read_text
from slimtrain.errors import ConfigError

CONFIG = """\
seed: 0
model:
  layers:
  - conv2d: {num_outputs: 4, scope: conv1}
  - flatten
  - fully_connected: {num_outputs: 3}
optimizer: sgd
train: {steps: 3}
"""
KNOWN = {
    (): ["seed", "data", "model", "optimizer", "train"],
    ("train",): ["steps", "log_every", "keep"],
    ("model", "layers", "1", "flatten"): ["scope", "alias"],
    ("optimizer",): ["sgd", "momentum"],
    ("optimizer", "sgd"): ["learning_rate"],
}


def known(above):
    return KNOWN.get(above, ())


def changed(*overrides, text=CONFIG):
    node = read_text(text, "net.yaml")
    for number, override in enumerate(overrides, 1):
        node = apply_override(node, parse_override(override, number), known)
    return node


def refused(*overrides, text=CONFIG):
    with pytest.raises(ConfigError) as caught:
        changed(*overrides, text=text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=7", ["seed"], 7),
        ("train.steps=1e3", ["train", "steps"], 1000.0),
        ("train.log_every=1", ["train", "log_every"], 1),
        ("model.layers.0.conv2d.num_outputs=8", ["model", "layers", 0, "conv2d", "num_outputs"], 8),
        ("model.layers.1.flatten.scope=x", ["model", "layers", 1], {"flatten": {"scope": "x"}}),
        ("model.layers.1.flatten={scope: x}", ["model", "layers", 1], {"flatten": {"scope": "x"}}),
        ("optimizer.sgd.learning_rate=0.05", ["optimizer"], {"sgd": {"learning_rate": 0.05}}),
        ("optimizer={sgd: 0.1}", ["optimizer"], {"sgd": 0.1}),
        ("optimizer=a=b", ["optimizer"], "a=b"),
        ("train.steps=", ["train", "steps"], None),
        ("seed='7'", ["seed"], "7"),
        ("+model.note=x", ["model", "note"], "x"),
        ("+new.deep.key=[1, 2]", ["new"], {"deep": {"key": [1, 2]}}),
        ("+model.layers.1.flatten.note=x", ["model", "layers", 1], {"flatten": {"note": "x"}}),
        ("+model.layers.1=dropout", ["model", "layers", 1], "dropout"),
        ("+model.layers.3=softmax", ["model", "layers", 3], "softmax"),
        ("~model.layers.1", ["model", "layers", 1], {"fully_connected": {"num_outputs": 3}}),
    ],
)
def test_overrides_set_add_and_remove(override, path, value):
    found = plain(changed(override))
    for step in path:
        found = found[step]
    assert found == value


def test_a_removed_key_is_gone():
    assert "train" not in plain(changed("~train"))


def test_overrides_apply_in_order():
    assert plain(changed("~train", "+train.keep=2", "train.keep=3"))["train"] == {"keep": 3}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sed=1", "1:1: 'sed=1': no key 'sed'; did you mean 'seed'?"),
        ("train.stps=1", "1:1: 'train.stps=1': no key 'stps' in 'train'; did you mean 'steps'?"),
        ("train.zzz=1", "1:1: 'train.zzz=1': no key 'zzz' in 'train'; +train.zzz=1 adds it"),
        ("~train.zzz", "1:1: '~train.zzz': no key 'zzz' in 'train'"),
        ("~trian", "1:1: '~trian': no key 'trian'; did you mean 'train'?"),
        ("~train.keep", "1:1: '~train.keep': no key 'keep' in 'train'"),
        ("data.source=x", "1:1: 'data.source=x': no key 'source' in 'data'; +data.source=x adds it"),
        ("+seed=1", "1:1: '+seed=1': the key is there already; drop the '+'"),
        ("seed.x=1", "1:1: 'seed.x=1': 'seed' holds 0, not a mapping"),
        ("optimizer.momentum.x=1", "1:1: 'optimizer.momentum.x=1': 'optimizer' holds 'sgd', not a mapping"),
        (
            "model.layers.3=flatten",
            "1:1: 'model.layers.3=flatten': 'model.layers' is a list of 3; name an item by its number from 0",
        ),
        (
            "+model.layers.3.flatten.scope=x",
            "1:1: '+model.layers.3.flatten.scope=x': 'model.layers' is a list of 3; name an item by its number from 0",
        ),
        (
            "model.layers.-1=x",
            "1:1: 'model.layers.-1=x': 'model.layers' is a list of 3; name an item by its number from 0",
        ),
        (
            "seed",
            "1:1: 'seed' is no override; write key.key=value, +key.key=value to add, ~key.key to remove",
        ),
        (
            "~seed=1",
            "1:1: '~seed=1' is no override; write key.key=value, +key.key=value to add, ~key.key to remove",
        ),
        ("", "1:1: '' is no override; write key.key=value, +key.key=value to add, ~key.key to remove"),
        ("=1", "1:1: '=1' is no override; write key.key=value, +key.key=value to add, ~key.key to remove"),
        (
            "a..b=1",
            "1:1: 'a..b=1' is no override; write key.key=value, +key.key=value to add, ~key.key to remove",
        ),
        ("seed=!x 1", "1:6: tag '!x'; a config holds plain values only; remove the tag"),
        ("optimizer={a: 1, a: 2}", "1:18: duplicate key 'a'; it stands at line 1 too; keep one of them"),
    ],
)
def test_an_override_that_fails_says_why(override, message):
    assert refused(override) == f"command line:{message}"


def test_every_wrong_override_is_told_with_its_number(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(CONFIG)
    with pytest.raises(ConfigError) as caught:
        load(path, ["sed=1", "seed=2", "seed=[", "trian.x=1"], known)
    places = [str(p.mark) for p in caught.value.problems]
    assert places[0] == "command line:1:1" and places[-1] == "command line:4:1"
    assert places[1].startswith("command line:3:")


def test_values_from_the_command_line_say_so():
    node = changed("seed=7", "train.steps=9")
    assert str(node.get("seed").mark) == "command line:1:6"
    assert str(node.get("train").get("steps").mark) == "command line:2:13"
    assert str(node.get("train").mark) == "net.yaml:8:8"
    key = next(k for k in node.mapping if k == "seed")
    assert key.mark.short == "command line"


def test_a_path_is_relative_to_where_it_is_written():
    node = changed("+data.train=x.npz")
    assert node.get("data").get("train").mark.folder == Path(".")


def test_an_override_keeps_the_order_of_keys():
    assert list(plain(changed("model.layers=[flatten]", "+zz=1"))) == [*plain(changed()), "zz"]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="+~a.=0123{}[]:' \"&*!?x\n-", max_size=20))
def test_no_override_makes_any_other_error(text):
    try:
        changed(text, text="a: {x: 1, 0: [1, {a: b}]}")
    except ConfigError as error:
        assert str(error).startswith("command line")


def test_an_override_is_no_deeper_than_a_config():
    with pytest.raises(ConfigError, match="nested deeper than 64 levels"):
        parse_override("+" + "a." * 5000 + "a=1", 1)
