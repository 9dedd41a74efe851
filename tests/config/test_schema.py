"""The JSON Schema against the strict reader: it takes what that takes; a typo to one is a typo to both."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from slimtrain.config.catalog import Catalog
from slimtrain.config.document import check, read
from slimtrain.config.nodes import make, plain
from slimtrain.config.schema import json_schema
from slimtrain.config.text import read_text
from slimtrain.errors import ConfigError, Mark
from slimtrain.jobs.builtin import catalog

SCHEMA = json_schema(catalog())
VALID = Draft202012Validator(SCHEMA)
CONFIGS = sorted(Path(__file__).parents[2].glob("configs/**/*.yaml"))

WHOLE = """
seed: 0
data: {source: mnist, path: /data/mnist, batch_size: 128, eval_batch_size: 256, shuffle: false,
       preprocess: [{rescale: 0.5}, {standardize: {mean: [0.5], std: [0.5]}}, per_image_standardization],
       augment: [random_flip_left_right, {random_crop: 4}]}
scopes:
  bn_arg_scope:
    params: {decay: 0.99, weight_decay: 5.0e-4}
    arg_scope:
      - ops: [conv2d, fully_connected]
        weights_regularizer: {l2: $weight_decay}
        normalizer_fn: batch_norm
      - ops: [batch_norm]
        decay: $decay
        scale: true
model:
  scope: Net
  arg_scope: [{use: bn_arg_scope, with: {decay: 0.9}}]
  layers:
    - arg_scope:
        ops: [conv2d]
        kernel_size: [3, 3]
        padding: SAME
      layers:
        - conv2d: {num_outputs: 64, scope: conv1}
        - conv2d: {num_outputs: 256, kernel_size: [5, 5], scope: conv3}
    - max_pool2d: {kernel_size: [2, 2], scope: pool1}
    - flatten
    - fully_connected: {num_outputs: 10, activation_fn: null, normalizer_fn: null, scope: logits}
losses:
  - softmax_cross_entropy:
      {label_smoothing: 0.1, weight: 0.5, class_weights: [1, 2], logits: logits, labels: label}
metrics: [accuracy, {top_k: 3}]
optimizer:
  momentum:
    learning_rate: {exponential_decay: {initial: 0.1, decay_steps: 1000, decay_rate: 0.94, staircase: true}}
    momentum: 0.9
train: {epochs: 5, clip_gradient_norm: 0, checkpoint_every: 500, update_ops: [], variables_to_train: conv1,
        gradient_multipliers: {conv1: 0.1}}
"""

LAYERS = {
    "a bare op": "[flatten]",
    "an op without arguments": "[{flatten: }]",
    "an op with null": "[{fully_connected: {num_outputs: 3, activation_fn: null, biases_initializer: null}}]",
    "a long name": "[{convolution2d: {num_outputs: 3, kernel_size: 3}}]",
    "words": "[{flatten: {scope: a/b, alias: [x, y], outputs_collections: c, trainable: false, remat: true}},"
    " {flatten: {inputs: x, scope: a/b, reuse: true, variables_collections: {weights: w}}}]",
    "several inputs": "[{flatten: {alias: a}}, {flatten: {alias: b}}, {concat: {inputs: [a, b]}}]",
    "initializers": "[{fully_connected: {num_outputs: 3, weights_initializer: {truncated_normal: 0.1},"
    " biases_initializer: {constant: {value: 0.1}}}}, {fully_connected: {num_outputs: 3,"
    " weights_initializer: {truncated_normal: {stddev: 0.1}}, biases_initializer: zeros}}]",
    "regularizers": "[{fully_connected: {num_outputs: 3, weights_regularizer: {l1_l2: {scale_l1: 0.1}}}},"
    " {fully_connected: {num_outputs: 3, weights_regularizer: l1_l2, biases_regularizer: {l1: 1}}}]",
    "a sum of regularizers": "[{fully_connected: {num_outputs: 3, weights_regularizer: {sum: [{l1: 1}, l1_l2]},"
    " biases_regularizer: {sum: {regularizer_list: {l2: 1}}}}},"
    " {batch_norm: {param_regularizers: {beta: {sum: [{sum: [{l1: 0.1}]}, {l2: 0}]}}}}]",
    "activations": "[activation, {activation: {activation_fn: {leaky_relu: {alpha: 0.3}}}}]",
    "normalizer_params": "[{fully_connected: {num_outputs: 3, normalizer_fn: batch_norm,"
    " normalizer_params: {decay: 0.9, scope: bn, trainable: false}}}]",
    "a normalizer's own arguments": "[{fully_connected: {num_outputs: 3, normalizer_fn: {batch_norm: {scale: true}}}}]",
    "batch norm": "[{batch_norm: {is_training: false, updates_collections: null,"
    " param_initializers: {gamma: zeros}, param_regularizers: {gamma: {l2: 0.1}}, renorm: true,"
    " renorm_clipping: {rmax: 3}}}]",
    "a block": "[{layers: [flatten], scope: b, reuse: false, repeat: 3}, {layers: [flatten], inputs: b_1}]",
    "residual": "[{residual: {scope: r, shortcut: [], layers: [activation], activation_fn: relu}}]",
    "branches": "[{concat: {axis: -1, branches: [[flatten], flatten, {layers: [flatten]}, [], {flatten: {}}]}}]",
    "branches with arg scopes": "[{add: {arg_scope: {ops: dropout, keep_prob: 0.8},"
    " branches: [[dropout], {arg_scope: {clear: true}, layers: [dropout]}]}},"
    " {multiply: {branches: [[], []]}}]",
    "repeat": "[{repeat: {layer: {fully_connected: {num_outputs: 3}}, repetitions: 2, scope: fc}},"
    " {repeat: {layer: flatten, repetitions: 2, arg_scope: []}}]",
    "stack": "[{stack: {layer: fully_connected, stack_args: [64, 32], scope: fc}},"
    " {stack: {layer: fully_connected, stack_args: [[64], {num_outputs: 3}]}}]",
    "copies": "[{for: {n: 2, act: [relu, null]}, layers: [{fully_connected: {when: $(n == 2), num_outputs: $(3 * n),"
    " activation_fn: $act}}]}, {dropout: {when: false}}, {add: {for: {n: [1]}, branches: [[],"
    " {layers: [], when: $on}]}}, {block: plain, when: true},"
    " {arg_scope: [{when: false, ops: dropout, keep_prob: 0.5}], layers: [dropout]}]",
    "a default scope": "[{layers: [flatten], default_scope: unit},"
    " {fully_connected: {num_outputs: 3, default_scope: fc}}]",
    "tap": "[{tap: {layers: [flatten], scope: aux}}, flatten]",
    "blocks": "[{block: wide, with: {n: 3, act: null}, scope: w}, {block: wide, with: {n: 3}}, {block: plain}]",
    "named scopes": "[{arg_scope: [listed, {use: full, with: {k: 0.3}}, must, {clear: true}, alias_of],"
    " layers: [dropout]}]",
}
AROUND = """
params: {{on: true}}
scopes:
  listed: [{{ops: dropout, keep_prob: 0.5}}]
  full: {{params: {{k: 0.9}}, arg_scope: {{ops: [dropout], keep_prob: $k, trainable: false}}}}
  must: {{arg_scope: [listed]}}
  alias_of: listed
blocks:
  wide: {{params: {{n: 3, act: relu, i: 1}}, scope: "wide${{i}}", layers: [
    {{fully_connected: {{num_outputs: $n, activation_fn: $act, scope: "fc${{i}}",
      weights_initializer: {{constant: $i}}}}}}]}}
  plain: {{params: [], layers: [flatten]}}
model: {{layers: {}}}
"""

SECTIONS = {
    "whole": WHOLE,
    "a number for a rate": "optimizer: {sgd: {learning_rate: 0.1}}",
    "a lone rate": "optimizer: {sgd: 0.1}",
    "a schedule in a schedule": "optimizer: {adam: {learning_rate: {warmup: {steps: 5,"
    " then: {cosine_decay: {initial: 1, decay_steps: 9}}}}}}",
    "constant": "optimizer: {adam: {learning_rate: {constant: 0.1}, beta1: 0.5}}",
    "one loss": "losses: mean_squared_error",
    "one loss with words": "losses: {mean_squared_error: {predictions: p, weight: 2}}",
    "no sections": "data:\ntrain:\nscopes:\nblocks:\noptimizer:",
    "input": "model: {input: {shape: [8, 8, 1], dtype: float32}, layers: [flatten]}",
    "arrays": "data: {source: arrays, train: a.npz, test: null, label: y}",
    "digits": "data: {source: digits, augment: random_crop}",
}


def problems(text: str) -> list[str]:
    return [e.message[:200] for e in VALID.iter_errors(plain(read_text(text, "c.yaml")))]


def reader_takes(text: str) -> None:
    check(Path("c.yaml"), read_text(text, "c.yaml"), catalog())


def complete(text: str) -> str:
    return text if "model:" in text else text + "\nmodel: {layers: [flatten]}\n"


def test_schema_is_valid_json() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA, allow_nan=False)) == SCHEMA


def test_every_reference_leads_somewhere() -> None:
    for target in _references(SCHEMA):
        found: Any = SCHEMA
        for part in target.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def _references(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(_references, part))
    if not isinstance(part, dict):
        return set()
    own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
    return own.union(*map(_references, part.values()))


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_takes_items(layers: str) -> None:
    text = AROUND.format(layers)
    reader_takes(text)
    assert problems(text) == []


@pytest.mark.parametrize("text", SECTIONS.values(), ids=SECTIONS)
def test_takes_sections(text: str) -> None:
    reader_takes(complete(text))
    assert problems(complete(text)) == []


@pytest.mark.parametrize("path", CONFIGS, ids=[p.stem for p in CONFIGS])
def test_takes_the_shipped_configs(path: Path) -> None:
    assert problems(path.read_text()) == []


def test_a_file_over_another_may_leave_the_source_out(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(complete("data: {source: digits}"))
    (tmp_path / "over.yaml").write_text("extends: base.yaml\ndata: {batch_size: 3}\n")
    assert read(tmp_path / "over.yaml", (), catalog()).data is not None
    assert problems("extends: [base.yaml]\ndata: {batch_size: 3}") == []
    assert problems("data: {batch_size: 3}")


TYPOS = {
    "top key": "optimiser: {sgd: 0.1}",
    "data key": "data: {source: digits, batchsize: 3}",
    "source": "data: {source: digit}",
    "argument of another source": "data: {source: digits, path: x}",
    "missing path": "data: {source: mnist}",
    "no source": "data: {batch_size: 3}",
    "params": "params: [a]",
    "a condition": "model: {layers: [{flatten: {when: 1}}]}",
    "a condition outside": "model: {layers: [{when: true, dropout: {keep_prob: 0.5}}]}",
    "a table": "model: {layers: [{dropout: {for: [1, 2]}}]}",
    "a column": "model: {layers: [{dropout: {for: {n: x}}}]}",
    "train key": "train: {epoch: 3}",
    "train type": "train: {epochs: many}",
    "model key": "model: {layer: [flatten]}",
    "input key": "model: {input: {size: [3]}, layers: [flatten]}",
    "dtype": "model: {input: {dtype: float}, layers: [flatten]}",
    "bare op": "model: {layers: [flaten]}",
    "op": "model: {layers: [{conv2: {num_outputs: 3}}]}",
    "argument": "model: {layers: [{fully_connected: {num_output: 3}}]}",
    "argument of another op": "model: {layers: [{flatten: {keep_prob: 0.5}}]}",
    "type": "model: {layers: [{fully_connected: {num_outputs: lots}}]}",
    "null": "model: {layers: [{fully_connected: {num_outputs: null}}]}",
    "three sizes": "model: {layers: [{conv2d: {num_outputs: 3, kernel_size: [3, 3, 3]}}]}",
    "out of range": "model: {layers: [{dropout: {keep_prob: 2}}]}",
    "two ops": "model: {layers: [{flatten: {}, dropout: {}}]}",
    "activation": "model: {layers: [{activation: {activation_fn: rellu}}]}",
    "activation argument": "model: {layers: [{activation: {activation_fn: {elu: {beta: 1}}}}]}",
    "regularizer without scale": "model: {layers: [{fully_connected: {num_outputs: 3, weights_regularizer: l2}}]}",
    "sum of no list": "model: {layers: [{fully_connected: {num_outputs: 3, weights_regularizer: {sum: {l2: 1}}}}]}",
    "in a sum": "model: {layers: [{fully_connected: {num_outputs: 3, weights_regularizer: {sum: [{l3: 1}]}}}]}",
    "normalizer": "model: {layers: [{fully_connected: {num_outputs: 3, normalizer_fn: dropout}}]}",
    "normalizer_params": "model: {layers: [{fully_connected: {num_outputs: 3, normalizer_fn: batch_norm,"
    " normalizer_params: {dekay: 0.9}}}]}",
    "named initializer": "model: {layers: [{batch_norm: {param_initializers: {delta: zeros}}}]}",
    "block key": "model: {layers: [{layers: [flatten], scop: a}]}",
    "block's repeat": "model: {layers: [{layers: [flatten], repeat: 0}]}",
    "reference key": "blocks: {b: {layers: [flatten]}}\nmodel: {layers: [{block: b, params: {}}]}",
    "a block with layers of its own": "blocks: {b: {layers: [flatten]}}\n"
    "model: {layers: [{block: b, layers: [flatten]}]}",
    "a block without layers": "blocks: {b: {layer: [flatten]}}\nmodel: {layers: [{block: b}]}",
    "inside a block": "blocks: {b: {layers: [flaten]}}\nmodel: {layers: [{block: b}]}",
    "join part": "model: {layers: [{add: {branches: [[], []], shortcut: []}}]}",
    "residual part": "model: {layers: [{residual: {branches: [[], []]}}]}",
    "in a branch": "model: {layers: [{add: {branches: [[flaten], []]}}]}",
    "repetitions": "model: {layers: [{repeat: {layer: flatten, repetitions: 0}}]}",
    "repeat key": "model: {layers: [{repeat: {layer: flatten, repetitions: 1, times: 2}}]}",
    "stack without arguments": "model: {layers: [{stack: {layer: fully_connected}}]}",
    "tap key": "model: {layers: [{tap: {layers: [flatten], name: a}}, flatten]}",
    "scope op": "model: {arg_scope: {ops: [dropuot], keep_prob: 0.5}, layers: [dropout]}",
    "scope argument": "model: {arg_scope: {ops: [dropout], kep_prob: 0.5}, layers: [dropout]}",
    "argument that one op lacks": "model: {arg_scope: {ops: [dropout, flatten], keep_prob: 0.5}, layers: [dropout]}",
    "scope word that is no default": "model: {arg_scope: {ops: dropout, scope: a}, layers: [dropout]}",
    "scope without ops": "model: {arg_scope: {keep_prob: 0.5}, layers: [dropout]}",
    "beside use": "scopes: {a: [{ops: dropout, keep_prob: 0.5}]}\n"
    "model: {arg_scope: {use: a, args: {}}, layers: [dropout]}",
    "clear": "model: {arg_scope: {clear: false}, layers: [dropout]}",
    "words' type": "model: {layers: [{flatten: {reuse: 1}}]}",
    "scope's name": "model: {layers: [{flatten: {scope: a b}}]}",
    "loss": "losses: [cross_entropy]",
    "loss argument": "losses: [{softmax_cross_entropy: {smoothing: 0.1}}]",
    "given of another loss": "losses: [{mean_squared_error: {logits: a}}]",
    "metric": "metrics: [acuracy]",
    "optimizer": "optimizer: {sdg: 0.1}",
    "optimizer argument": "optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9}}",
    "optimizer without a rate": "optimizer: sgd",
    "schedule": "optimizer: {sgd: {learning_rate: {exponential: {initial: 0.1}}}}",
    "schedule argument": "optimizer: {sgd: {learning_rate: {cosine_decay: {initial: 0.1, decay_steps: 9, steps: 3}}}}",
    "schedule without its arguments": "optimizer: {sgd: {learning_rate: cosine_decay}}",
    "preprocess": "data: {source: digits, preprocess: [rescail]}",
    "preprocess argument": "data: {source: digits, preprocess: [{rescale: {factor: 3}}]}",
}


@pytest.mark.parametrize("text", TYPOS.values(), ids=TYPOS)
def test_refuses_what_the_reader_refuses(text: str) -> None:
    with pytest.raises(ConfigError):
        reader_takes(complete(text))
    assert problems(complete(text))


FREE = ("params", "with", "for", "scopes", "blocks", "gradient_multipliers", "variables_collections")


def renamed(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """The value with one key misspelled, for every key that is no name of the user's own."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from ((w, [*value[:index], c, *value[index + 1 :]]) for w, c in renamed(item, above))
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ((w, {**value, key: c}) for w, c in renamed(item, key))
            if above not in FREE:
                yield key, {k if k != key else f"{k}x": v for k, v in value.items()}


@pytest.mark.parametrize("text", [WHOLE, *map(AROUND.format, LAYERS.values())], ids=["whole", *LAYERS])
def test_every_misspelled_key_is_refused_by_both(text: str) -> None:
    for key, changed in renamed(plain(read_text(text, "c.yaml"))):
        try:
            check(Path("c.yaml"), make(changed, Mark("c.yaml", 1, 1)), catalog())
        except ConfigError:
            assert not VALID.is_valid(changed), key


def test_descriptions_and_defaults_come_from_the_definitions() -> None:
    conv2d = SCHEMA["$defs"]["layer.conv2d"]["properties"]
    assert conv2d["num_outputs"]["description"] == "output channels."
    assert conv2d["activation_fn"]["default"] == "relu"
    assert conv2d["stride"]["default"] == [1, 1]
    assert "default" not in conv2d["num_outputs"]
    assert SCHEMA["$defs"]["train"]["properties"]["keep"]["default"] == 3


def test_a_params_value_stands_anywhere_and_at_any_depth() -> None:
    layer = "model: {{layers: [{{conv2d: {{num_outputs: 3, kernel_size: {}}}}}]}}"
    assert problems(layer.format("[$k, 3]")) == problems(layer.format("$k")) == []
    assert problems(layer.format("k"))
    assert problems("optimizer: {sgd: {learning_rate: $rate}}\ntrain: {epochs: $(2 * n)}\nlosses: [$loss]") == []


def test_an_empty_catalog_makes_a_valid_schema() -> None:
    schema = json_schema(Catalog.of([]))
    Draft202012Validator.check_schema(schema)
    assert not Draft202012Validator(schema).is_valid({"model": {"layers": ["flatten"]}})


def test_does_not_import_jax() -> None:
    code = (
        "import sys\n"
        "from slimtrain.config.reference import listing\n"
        "from slimtrain.config.schema import json_schema\n"
        "from slimtrain.jobs.builtin import catalog\n"
        "json_schema(catalog()), listing(catalog())\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('jax', 'jaxlib')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
