"""The catalog: what a decorator and a signature say of a function, and nothing else."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from slimtrain.config import values as v
from slimtrain.config.catalog import MISSING, WORDS, Catalog, argument_docs, define, layer, plugin_modules
from slimtrain.errors import ConfigError


@layer(scope="Crop", alias="crop_layer")
def crop_(scope, inputs, *, size: v.Count, keep: bool = True):
    """Crops images.

    A second paragraph.

    Args:
        size: height and width that are left,
            in pixels.
        keep: whether to.

    Raises:
        LayerError: never.
    """
    return inputs


def test_a_definition_is_read_off_the_function():
    found = define(crop_)
    assert (found.name, found.kind, found.title) == ("crop", "layer", "layer crop")
    assert found.given == ("scope", "inputs") and found.summary == "Crops images."
    assert list(found.parameters) == ["size", "keep"]
    size, keep = found.parameters.values()
    assert size.required and size.default is MISSING and size.annotation == v.Count
    assert size.doc == "height and width that are left, in pixels."
    assert (keep.required, keep.default, keep.doc) == (False, True, "whether to.")
    assert found.description.scope == "Crop"


def test_the_decorator_leaves_the_function_as_it_is():
    assert crop_("scope", 7, size=1) == 7


def test_annotations_written_as_text_are_understood():
    namespace = {"layer": layer, "v": v}
    code = "from __future__ import annotations\n@layer(scope='X')\ndef x(scope, inputs, *, size: v.Count): ...\n"
    exec(code, namespace)
    assert define(namespace["x"]).parameters["size"].annotation == v.Count


def test_docs_of_arguments():
    assert argument_docs("Adds.\n\nArgs:\n    a: one.\n    b: two\n        lines.\n\nReturns:\n    c: no.\n") == {
        "a": "one.",
        "b": "two lines.",
    }
    assert argument_docs("No arguments.") == {}


def test_a_function_is_known_by_its_name_and_its_alias():
    found = Catalog.of([SimpleNamespace(crop=crop_, other=3)]).kind("layer")
    assert set(found) == {"crop", "crop_layer"} and found["crop"] is not None
    assert found["crop_layer"].name == "crop"


def test_one_function_in_two_modules_is_one():
    found = Catalog.of([SimpleNamespace(a=crop_), SimpleNamespace(b=crop_)]).kind("layer")
    assert {definition.function for definition in found.values()} == {crop_}


def test_two_functions_of_one_name_are_refused():
    @layer(scope="Other")
    def crop(scope, inputs): ...

    with pytest.raises(ConfigError) as caught:
        Catalog.of([SimpleNamespace(a=crop_), SimpleNamespace(a=crop)])
    assert str(caught.value) == (f"layer crop: defined twice, in {__name__} and {__name__}; rename one of them")


def test_normalizers_are_the_layers_that_say_so(toys):
    assert set(toys.kind("normalizer")) == {"batch_norm", "layer_norm"}


def test_the_words_of_items_have_a_meaning_each():
    assert set(WORDS) == {
        *(
            "scope",
            "default_scope",
            "reuse",
            "inputs",
            "alias",
            "outputs_collections",
            "variables_collections",
            "trainable",
            "remat",
        )
    }
    assert all(word.doc for word in WORDS.values())


@pytest.mark.parametrize("name", ["no_such_plugin", "", ".relative", "json.nothing"])
def test_a_plugin_that_is_none_is_a_config_error(name):
    with pytest.raises(ConfigError, match=f"^--plugin: cannot import '{name}': "):
        plugin_modules([name])


def test_a_plugin_that_fails_says_what_it_raised(tmp_path, monkeypatch):
    (tmp_path / "broken_plugin.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as caught:
        plugin_modules(["broken_plugin"])
    assert str(caught.value) == ("--plugin: cannot import 'broken_plugin': ZeroDivisionError: division by zero")


CONFIG = """\
model:
  input: {shape: [8, 8, 3]}
  arg_scope: {ops: [conv2d], normalizer_fn: batch_norm}
  layers: [{conv2d: {num_outputs: 4, kernel_size: 3}}, flatten, {fully_connected: {num_outputs: 3}}]
losses: [softmax_cross_entropy]
metrics: [accuracy]
optimizer: {momentum: {learning_rate: {exponential_decay: {initial: 0.1, decay_steps: 9, decay_rate: 0.9}}}}
train: {steps: 3}
"""


def test_reading_a_config_does_not_start_jax(tmp_path):
    (tmp_path / "net.yaml").write_text(CONFIG)
    code = (
        "import sys\nfrom pathlib import Path\nfrom slimtrain.jobs.builtin import catalog\n"
        "from slimtrain.config.document import read\n"
        f"plan = read(Path({str(tmp_path / 'net.yaml')!r}), ['train.steps=1'], catalog()).plan\n"
        "print(len(plan.items), sorted({'jax', 'jaxlib', 'optax'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("3 []\n", "")
