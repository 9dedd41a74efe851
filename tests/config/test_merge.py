"""`extends`: one tree of several files, every value with the place where it was written."""

import os

import pytest

from slimtrain.config.merge import load
from slimtrain.config.nodes import plain
from slimtrain.errors import ConfigError


def files(folder, **texts):
    for name, text in texts.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / f"{next(iter(texts))}.yaml"


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


def test_another_optimizer_replaces_the_one_below_it(tmp_path):
    base = "optimizer: {sgd: {learning_rate: 0.1}}"
    path = files(tmp_path, child="extends: base.yaml\noptimizer: {adam: {epsilon: 0.1}}", base=base)
    assert plain(load(path)) == {"optimizer": {"adam": {"epsilon": 0.1}}}


def test_the_same_optimizer_is_merged_and_its_schedule_replaced(tmp_path):
    base = "optimizer: {sgd: {learning_rate: {cosine_decay: {initial: 1, decay_steps: 9}}, x: 1}}"
    child = "extends: base.yaml\noptimizer: {sgd: {learning_rate: {constant: 2}}}"
    path = files(tmp_path, child=child, base=base)
    assert plain(load(path)) == {"optimizer": {"sgd": {"learning_rate": {"constant": 2}, "x": 1}}}
