"""Variables of a scope: made once, shared on demand, collected; updates, keys and fields of one pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers

from slimtrain.errors import ConfigError, Mark
from slimtrain.net.components import zeros
from slimtrain.net.scope import LayerError, Record, Rule, Scope


def declaring(path="here", **words):
    return Scope(Record(True, {}, {}, jax.random.key(0), declaring=True), path, **words)


def test_a_variable_is_declared_with_all_that_is_said_of_it():
    rule = Rule(True, (("mine",), {"weights": ("own",), "biases": ("other",)}))
    scope = declaring(rule=rule, mark=Mark("net.yaml", 3, 5))
    value = scope.variable("weights", [2, 3], zeros, regularizer=jnp.sum)
    assert (value.shape, value.dtype) == ((2, 3), jnp.float32)
    spec = scope.record.specs["here/weights"]
    assert spec.collections == ("model_variables", "trainable_variables", "mine", "own")
    assert (spec.shape, spec.trainable, spec.statistic, spec.origin) == ((2, 3), True, False, "net.yaml:3:5")
    assert spec.regularizer is jnp.sum and spec.initializer is zeros


@pytest.mark.parametrize("words", [{"trainable": False}, {"statistic": True}])
def test_what_is_not_trained_is_in_no_trainable_collection(words):
    scope = declaring()
    scope.variable("v", (), zeros, **words)
    assert scope.record.specs["here/v"].collections == ("model_variables",)
    assert not scope.record.specs["here/v"].trainable


def test_a_name_is_made_once_and_shared_with_reuse_only():
    scope = declaring(mark=Mark("net.yaml", 1, 1))
    scope.variable("v", (2,), zeros)
    with pytest.raises(LayerError, match="'here/v' was made at net.yaml:1:1"):
        scope.variable("v", (2,), zeros)
    shared = Scope(scope.record, "here", reuse=True)
    shared.variable("v", (2,), zeros, regularizer=jnp.sum)
    assert scope.record.specs["here/v"].regularizer is None
    with pytest.raises(LayerError, match=r"shape \[3\], but it was made with shape \[2\]"):
        shared.variable("v", (3,), zeros)
    with pytest.raises(LayerError, match="reuse of 'here/w', which no earlier layer made"):
        shared.variable("w", (2,), zeros)


def test_a_scope_without_a_path_and_a_child():
    scope = declaring("")
    scope.variable("v", (), zeros)
    scope.child("inner").child("most").variable("v", (), zeros)
    assert list(scope.record.specs) == ["v", "inner/most/v"]


def test_updates_build_on_each_other_and_reads_see_only_what_is_in_place():
    record = Record(True, {"here/m": jnp.float32(1)}, {})
    scope = Scope(record, "here")
    scope.update({"m": scope.latest("m") + 1}, ("update_ops",))
    assert (scope.latest("m"), scope.variable("m", (), zeros)) == (2, 1)
    scope.update({"m": scope.latest("m") + 1}, None)
    assert (scope.latest("m"), scope.variable("m", (), zeros)) == (3, 3)
    scope.update({"m": jnp.float32(9)}, ("other",))
    assert scope.latest("m") == 3
    assert len(record.updates) == 3


def test_keys_differ_by_path_use_and_step_only():
    def keys(path, seed=0):
        scope = Scope(Record(True, {}, {}, jax.random.key(seed)), path)
        return [tuple(np.asarray(jax.random.key_data(scope.key()))) for _ in range(2)]

    assert keys("a") == keys("a")
    assert len({*keys("a"), *keys("b"), *keys("a", 1)}) == 6


def test_fields():
    assert Scope(Record(True, {}, {"w": 7}), "here").field("w", 2) == 7
    assert declaring().field("w", 2).shape == (2,)
    with pytest.raises(LayerError, match="reads the field 'w'"):
        Scope(Record(True, {}, {"image": 7}), "here").field("w", 2)


@pytest.mark.parametrize(
    ("words", "weights", "biases"),
    [
        ("variables_collections: mine", {"mine"}, {"mine"}),
        ("variables_collections: [mine, own]", {"mine", "own"}, {"mine", "own"}),
        ("variables_collections: {weights: mine}", {"mine"}, set()),
        ("variables_collections: {weights: [mine, own], biases: other}", {"mine", "own"}, {"other"}),
    ],
)
def test_variables_collections_of_a_config_reach_the_specs(words, weights, biases):
    specs = layers(f"[fully_connected: {{num_outputs: 2, scope: fc, {words}}}]", (3,)).specs
    standard = {"model_variables", "trainable_variables"}
    assert set(specs["fc/weights"].collections) == standard | weights
    assert set(specs["fc/biases"].collections) == standard | biases


def test_collections_of_a_block_and_of_a_layer_add_up():
    words = "num_outputs: 2, scope: fc, variables_collections: {weights: own}, normalizer_fn: batch_norm"
    inside = f"{{fully_connected: {{{words}}}}}"
    specs = layers(f"[{{variables_collections: mine, layers: [{inside}]}}]", (3,)).specs
    own = {n: set(s.collections) - {"model_variables", "trainable_variables"} for n, s in specs.items()}
    assert own.pop("fc/weights") == {"mine", "own"}
    assert set(map(frozenset, own.values())) == {frozenset({"mine"})}


def test_trainable_false_reaches_all_inside_a_block():
    inner = "{fully_connected: {num_outputs: 2, scope: %s}}"
    specs = layers(f"[{{trainable: false, layers: [{inner % 'a'}]}}, {inner % 'b'}]", (3,)).specs
    assert {n for n, s in specs.items() if s.trainable} == {"b/weights", "b/biases"}


def test_sharing_another_shape_is_told_with_both_lines():
    items = "[fully_connected: {num_outputs: 3, scope: a},\n  fully_connected: {num_outputs: 3, scope: a, reuse: true}]"
    with pytest.raises(ConfigError, match=r"shares 'a/weights' .* at net.yaml:1:\d+") as caught:
        layers(items, (2,))
    assert caught.value.problems[0].mark.line == 2
