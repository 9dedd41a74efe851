"""`extends` and the command line's overrides: one tree, every value with the place where it was written."""

import os
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


def files(folder, **texts):
    for name, text in texts.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / f"{next(iter(texts))}.yaml"


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
    path = files(tmp_path, net=CONFIG)
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


def test_extends_puts_a_file_under_another(tmp_path):
    net = "extends: base.yaml\ntrain: {steps: 5}\nlosses: [b]\nseed: null\n"
    base = "seed: 1\ntrain: {steps: 3, keep: 2}\nlosses: [a, c]\ndata: {source: digits}\n"
    node = load(files(tmp_path, net=net, base=base))
    assert plain(node) == {
        "seed": None,
        "train": {"steps": 5, "keep": 2},
        "losses": ["b"],
        "data": {"source": "digits"},
    }
    assert node.get("train").get("steps").mark.short == "net.yaml:2"
    assert node.get("train").get("keep").mark.short == "base.yaml:2"


def test_a_list_of_files_goes_from_lowest_to_highest_and_may_nest(tmp_path):
    net = "extends: [a.yaml, sub/b.yaml]\nd: 4\n"
    path = files(tmp_path, net=net, a="x: a\na: 1\n", sub__b="extends: c.yaml\nx: b\n", sub__c="x: c\nc: 3\n")
    assert plain(load(path)) == {"x": "b", "a": 1, "c": 3, "d": 4}


def test_a_path_in_an_extended_file_is_relative_to_that_file(tmp_path):
    path = files(tmp_path, net="extends: sub/b.yaml\n", sub__b="data: {path: x}\n")
    assert load(path).get("data").get("path").mark.folder == tmp_path / "sub"


def test_only_the_top_extends_is_used_up(tmp_path):
    path = files(tmp_path, net="extends: b.yaml\nmodel: {extends: x}\n", b="model: {scope: y}\n")
    assert plain(load(path)) == {"model": {"scope": "y", "extends": "x"}}


def test_a_mapping_replaces_a_scalar_and_a_scalar_a_mapping(tmp_path):
    path = files(tmp_path, net="extends: b.yaml\na: 1\nb: {c: 2}\n", b="a: {x: 1}\nb: 3\n")
    assert plain(load(path)) == {"a": 1, "b": {"c": 2}}


def told(path):
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)


def test_a_circle_is_named(tmp_path):
    path = files(tmp_path, a="extends: b.yaml\n", b="extends: ./a.yaml\n")
    assert told(path) == f"{tmp_path}/a.yaml: extends itself: a.yaml -> b.yaml -> a.yaml"


def test_a_missing_base_is_named(tmp_path):
    path = files(tmp_path, a="extends: gone.yaml\n")
    assert told(path).startswith(f"{tmp_path}/gone.yaml: cannot be read: No such file or directory")


@pytest.mark.parametrize(("value", "what"), [("3", "3"), ("[a.yaml, {}]", "a mapping"), ("", "null")])
def test_extends_takes_file_names_only(tmp_path, value, what):
    path = files(tmp_path, net=f"extends: {value}\n", a="")
    assert f"extends: expected a file name or a list of them, got {what}" in told(path)


def test_a_config_is_a_mapping(tmp_path):
    assert told(files(tmp_path, net="- a\n")) == f"{tmp_path}/net.yaml:1:1: a config is a mapping, got a list"
    assert plain(load(files(tmp_path, net=""))) == {}


def test_files_extended_twice_at_every_level_are_read_once(tmp_path):
    texts = {f"f{i}": f"extends: [f{i + 1}.yaml, f{i + 1}.yaml]\nk{i}: {i}\n" for i in range(30)}
    assert len(plain(load(files(tmp_path, **texts, f30="k30: 30\n")))) == 31


def test_extends_has_an_end(tmp_path):
    texts = {f"f{i}": f"extends: f{i + 1}.yaml\n" for i in range(40)}
    assert told(files(tmp_path, **texts)).endswith("'extends' goes deeper than 32 files")


def test_an_override_beats_every_file(tmp_path):
    path = files(tmp_path, net="extends: b.yaml\nseed: 1\n", b="seed: 2\n")
    assert plain(load(path, ["seed=3"]))["seed"] == 3


def test_the_same_file_through_a_link_is_a_circle_too(tmp_path):
    path = files(tmp_path, a="extends: link.yaml\n")
    os.symlink(path, tmp_path / "link.yaml")
    assert "extends itself: a.yaml -> link.yaml" in told(path)
