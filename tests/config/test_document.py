"""Whole configs: sections, their types and defaults, and every problem at once."""

from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimtrain.config.document import check, in_order, known_keys, read
from slimtrain.config.nodes import make, plain
from slimtrain.config.text import read_text
from slimtrain.errors import ConfigError, Mark, Problem
from slimtrain.jobs.builtin import catalog

NAMED = """\
seed: 3
scopes:
  base:
    params: {decay: 0.9}
    arg_scope:
    - ops: [conv2d]
      normalizer_fn: batch_norm
      normalizer_params: {decay: $decay, scale: true}
    - ops: [fully_connected]
      weights_regularizer: {l2: 0.01}
blocks:
  unit:
    params: {width: 4}
    scope: unit
    layers:
    - residual:
        layers: [{conv2d: {num_outputs: $width, kernel_size: 3}}]
data: {source: arrays, train: data.npz, batch_size: 4, shuffle: false}
model:
  scope: Net
  input: {shape: [8, 8, 4]}
  arg_scope:
  - {use: base, with: {decay: 0.5}}
  - ops: [conv2d]
    padding: SAME
  layers:
  - {block: unit, repeat: 2}
  - concat:
      scope: Mixed
      branches:
      - [{conv2d: {num_outputs: 3, kernel_size: 1, scope: a}}]
      - {scope: B, layers: [{conv2d: {num_outputs: 2, kernel_size: 1, scope: a, alias: side}}]}
  - tap: {layers: [flatten], scope: aux}
  - repeat: {layer: {conv2d: {num_outputs: 4, kernel_size: 3}}, repetitions: 2, scope: conv}
  - flatten: {inputs: [Mixed]}
  - stack: {layer: fully_connected, stack_args: [6, 5], scope: fc}
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
losses:
- softmax_cross_entropy: {label_smoothing: 0.1, logits: logits, class_weights: [1, 2, 1]}
metrics: [accuracy]
optimizer:
  momentum: {learning_rate: {exponential_decay: {initial: 1e-1, decay_steps: 10, decay_rate: 0.9}}}
train: {steps: 3, gradient_multipliers: {conv1: 0.5}, variables_to_train: [logits, "^Net"]}
"""


def test_a_whole_config(document):
    found = document(NAMED)
    assert (found.name, found.seed, found.data.batch_size, found.train.steps) == ("net", 3, 4, 3)
    assert found.train.gradient_multipliers == {"conv1": 0.5}
    assert found.train.variables_to_train == ("logits", "^Net") and found.train.update_ops == ("update_ops",)
    assert found.source.value("train") == Path("/configs/data.npz")
    assert found.plan.input_shape == (8, 8, 4) and found.plan.input_dtype == "float32"
    (loss,) = found.losses
    assert loss.name == "softmax_cross_entropy" and loss.value("label_smoothing") == 0.1
    assert (loss.value("logits"), loss.value("labels"), loss.value("weight")) == ("logits", "label", 1.0)
    assert loss.value("class_weights") == (1.0, 2.0, 1.0)
    rate = found.optimizer.value("learning_rate")
    assert (rate.name, rate.value("initial")) == ("exponential_decay", 0.1) and found.warnings == ()
    assert [x.path for x in found.plan.layers()][:3] == ["Net/unit_1/Conv", "Net/unit_2/Conv", "Net/Mixed/a"]


def test_defaults_and_their_origins(document):
    found = document("train: {steps: 3}\nmodel: {layers: [flatten]}\n")
    train = found.sections["train"]
    assert str(train["steps"].origin) == "config at net.yaml:1" and str(train["keep"].origin) == "default"
    assert found.train.check_numerics is True and found.data is None and found.losses == ()
    assert found.seed == 0 and found.optimizer is None


def test_sections_may_be_empty(document):
    found = document("data:\ntrain:\nscopes:\nblocks:\nmodel: {layers: [flatten], input: , arg_scope: }\n")
    assert found.data is None and found.train.log_every == 50


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["net.yaml:1:1: model: has no layers; list them under 'model: {layers: [...]}'"]),
        ("model: {}", ["net.yaml:1:8: model: has no layers; list them under 'model: {layers: [...]}'"]),
        ("model: {layers: []}", ["net.yaml:1:8: model: has no layers; list them under 'model: {layers: [...]}'"]),
        ("model: 3", ["net.yaml:1:8: config: model: expected a mapping, got 3"]),
        (
            "modle: {}",
            [
                "net.yaml:1:1: config: unknown key 'modle'; did you mean 'model'? (config takes: extends, params, "
                "seed, data, scopes, blocks, model, losses, metrics, optimizer, train)",
            ],
        ),
        ("train: [1]", ["net.yaml:1:8: config: train: expected a mapping, got [1]"]),
        ("train: {steps: 1e3}", ["net.yaml:1:16: train: steps: expected a whole number, got 1000.0"]),
        ("train: {steps: 0}", ["net.yaml:1:16: train: steps: should be greater than or equal to 1, got 0"]),
        ("train: {check_numerics: no}", ["net.yaml:1:25: train: check_numerics: expected true or false, got 'no'"]),
        (
            "train: {keep: 99999999999}",
            ["net.yaml:1:15: train: keep: should be less than or equal to 2147483647, got 99999999999"],
        ),
        ("seed: -1", ["net.yaml:1:7: config: seed: should be greater than or equal to 0, got -1"]),
        ("data: {source: digts}", ["net.yaml:1:16: data: no source 'digts'; did you mean 'digits'?"]),
        ("data: {source: zz}", ["net.yaml:1:16: data: no source 'zz'; there are (arrays, digits, folder)"]),
        ("data: {source: 3}", ["net.yaml:1:16: data: source: expected text, got 3"]),
        ("data: {batch_size: 3}", ["net.yaml:1:7: data: 'source' is missing; it is: registered source."]),
        (
            "data: {source: digits, batchsize: 3}",
            [
                "net.yaml:1:24: data: unknown key 'batchsize'; did you mean 'batch_size', 'eval_batch_size'? "
                "(data takes: source, batch_size, eval_batch_size, shuffle, preprocess, eval_preprocess, augment, "
                "workers)"
            ],
        ),
        (
            "data: {source: folder, path: x, order: age}",
            ["net.yaml:1:40: data: order: expected 'name' or 'size', got 'age'"],
        ),
        ("data: {source: arrays}", ["net.yaml:1:7: data: 'train' is missing"]),
        ("optimizer: sdg", ["net.yaml:1:12: config: optimizer: no optimizer 'sdg'; did you mean 'sgd'?"]),
        ("optimizer: sgd", ["net.yaml:1:12: config: optimizer sgd: 'learning_rate' is missing"]),
        (
            "optimizer: {sgd: {learning_rate: fast}}",
            [
                "net.yaml:1:34: config: optimizer sgd: learning_rate: no schedule 'fast'; "
                "there are (constant, exponential_decay)"
            ],
        ),
        (
            "optimizer: {sgd: {learning_rate: true}}",
            [
                "net.yaml:1:34: config: optimizer sgd: learning_rate: expected one schedule, "
                "as a name or {name: arguments}, got true"
            ],
        ),
        (
            "optimizer: {sgd: {learning_rate: .inf}}",
            ["net.yaml:1:34: config: optimizer sgd: learning_rate constant: value: expected a finite number, got inf"],
        ),
        ("losses: [hinge]", ["net.yaml:1:10: config: losses: no loss 'hinge'; there are (softmax_cross_entropy)"]),
        (
            "losses: [softmax_cross_entropy: {weigth: 1}]",
            [
                "net.yaml:1:34: config: losses softmax_cross_entropy: unknown argument 'weigth'; did you mean "
                "'weight'? (softmax_cross_entropy takes: label_smoothing, logits, labels, weight, "
                "class_weights)"
            ],
        ),
        (
            "metrics: [{top_k: 0}]",
            ["net.yaml:1:19: config: metrics top_k: k: should be greater than or equal to 1, got 0"],
        ),
        ("scopes: [a]", ["net.yaml:1:9: config: scopes: expected a mapping, got ['a']"]),
        (
            "model: {layers: [flatten], scope: 'a b'}",
            [
                "net.yaml:1:35: model: scope: expected a scope name "
                "(letters, digits, '_', '.', '-'; parts joined by '/'), got 'a b'"
            ],
        ),
        (
            "model: {layers: [flatten], input: {shape: [8, 0]}}",
            ["net.yaml:1:43: model.input: shape: should be greater than or equal to 1, got 0"],
        ),
        (
            "model: {layers: {flatten: {}}}",
            ["net.yaml:1:17: model: 'layers' is a list of items, got a mapping; put '- ' before each"],
        ),
    ],
)
def test_what_is_wrong_with_a_section(problems, text, lines):
    rest = "" if "model" in text or not text else "\nmodel: {layers: [flatten]}\n"
    assert problems(text + rest) == lines


def test_every_problem_at_once_in_order_of_place(problems):
    text = """\
sed: 1
train: {steps: x, lgo_every: 3}
model:
  arg_scope: {ops: [conv2d], keep_prob: 1}
  layers:
  - conv2d: {num_outputs: 4, kernel_size: 3, fliters: 1}
  - dropuot
optimizer: {sgd: {rate: 1}}
losses: [zz]
data: {source: nowhere}
"""
    places = [":".join(line.split(":")[1:3]) for line in problems(text)]
    assert places == ["1:1", "2:16", "2:19", "4:30", "6:46", "7:5", "8:12", "8:19", "9:10", "10:16"]


def test_problems_of_several_files_stay_together():
    marks = [("b", 9), ("a", 2), ("b", 1), ("a", 2), ("a", 1)]
    found = in_order([Problem("", "x", mark=Mark(f, n, 1)) for f, n in marks] + [Problem("", "no place")])
    assert [p.mark and (p.mark.file, p.mark.line) for p in found] == [None, ("b", 1), ("b", 9), ("a", 1), ("a", 2)]


def test_losses_and_metrics_may_be_names_or_mappings_one_or_many(document):
    model = "model: {layers: [flatten]}\n"
    found = document(model + "losses: softmax_cross_entropy\nmetrics: [accuracy, top_k, {top_k: 3}]\n")
    assert [x.name for x in found.losses] == ["softmax_cross_entropy"]
    assert [(x.name, x.arguments["k"].value if "k" in x.arguments else None) for x in found.metrics] == [
        ("accuracy", None),
        ("top_k", 5),
        ("top_k", 3),
    ]


def test_a_learning_rate_is_a_number_or_a_schedule(document):
    model = "model: {layers: [flatten]}\noptimizer: "
    for written, name in (("{sgd: 0.1}", "constant"), ("{sgd: {learning_rate: {constant: 1}}}", "constant")):
        assert document(model + written).optimizer.value("learning_rate").name == name


def test_the_keys_that_an_override_may_add(toys):
    assert "train" in known_keys(toys, ()) and "log_every" in known_keys(toys, ("train",))
    assert {"batch_size", "path", "order"} <= set(known_keys(toys, ("data",)))
    assert {"stride", "scope", "alias"} <= set(known_keys(toys, ("model", "layers", "0", "conv2d")))
    assert {"decay", "center"} <= set(known_keys(toys, ("model", "layers", "0", "conv2d", "normalizer_params")))
    assert {"weight", "labels"} <= set(known_keys(toys, ("losses", "0", "softmax_cross_entropy")))
    assert "momentum" in known_keys(toys, ("optimizer",)) and known_keys(toys, ("scopes",)) == []


def test_a_file_with_overrides(tmp_path):
    (tmp_path / "base.yaml").write_text(NAMED)
    (tmp_path / "net.yaml").write_text("extends: base.yaml\ntrain: {steps: 9}\n")
    overrides = ["train.log_every=1", "model.layers.4.flatten.scope=flat", "optimizer.momentum.momentum=0.5"]
    found = read(tmp_path / "net.yaml", overrides, catalog())
    assert (found.train.steps, found.train.log_every, found.optimizer.value("momentum")) == (9, 1, 0.5)
    assert found.source.value("train") == tmp_path / "data.npz" and found.name == "net"
    assert str(found.sections["train"]["steps"].origin) == "config at net.yaml:2"
    assert str(found.sections["train"]["log_every"].origin) == "command line"
    assert str(found.sections["data"]["batch_size"].origin) == "config at base.yaml:18"
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "net.yaml", ["train.stpes=1"], catalog())
    assert str(caught.value) == ("command line:1:1: 'train.stpes=1': no key 'stpes' in 'train'; did you mean 'steps'?")


def quietly(text, toys):
    try:
        check(Path("net.yaml"), read_text(text, "net.yaml"), toys)
    except ConfigError as error:
        assert error.problems and all(str(p) for p in error.problems)


TABLE = """
params: {classes: 3, width: 4, wide: $(2 * width), unread: 1}
seed: $width
blocks:
  unit: {params: [n], layers: [{fully_connected: {num_outputs: $(n * width)}}]}
scopes:
  act: {params: {fn: tanh}, arg_scope: [{when: $(width > 1), ops: [fully_connected], activation_fn: $fn}]}
model:
  arg_scope: act
  layers:
    - {block: unit, with: {n: $wide}, for: {i: 2}, scope: unit_$(i)}
    - fully_connected: {num_outputs: $classes, scope: logits}
losses: [{softmax_cross_entropy: {for: {end: [logits, unit_2]}, logits: $end}}]
"""


def test_params_reach_every_part_of_a_config(document):
    found = document(TABLE)
    first, _, last = found.plan.layers()
    assert (found.seed, first.op.value("num_outputs"), last.op.value("num_outputs")) == (4, 32, 3)
    assert last.op.value("activation_fn").name == "tanh"
    assert [loss.value("logits") for loss in found.losses] == ["logits", "unit_2"]
    assert [str(w) for w in found.warnings] == [
        "net.yaml:2:52: params: 'unread' is never used; remove it, or write $unread   [warning]"
    ]


def test_a_param_is_changed_from_the_command_line_and_says_so(document):
    found = document(TABLE, "params.width=1", "params.classes=7")
    first, _, last = found.plan.layers()
    assert (found.seed, first.op.value("num_outputs"), last.op.value("num_outputs")) == (1, 2, 7)
    assert last.op.value("activation_fn").name == "relu"
    assert str(last.op.arguments["num_outputs"].origin) == "call at net.yaml:12, $classes at command line"
    assert str(last.op.arguments["activation_fn"].origin) == "default"
    fn = document(TABLE).plan.items[0].branches[0][0].op.arguments["activation_fn"]
    assert str(fn.origin) == "scope at net.yaml:7, $fn at net.yaml:7"
    with pytest.raises(ConfigError, match="no key 'clases' in 'params'; did you mean 'classes'?"):
        document(TABLE, "params.clases=7")


def test_a_param_that_is_none_is_told_once(problems):
    assert problems(TABLE.replace("num_outputs: $classes", "num_outputs: $clases")) == [
        "net.yaml:12:38: '$clases' names no param; did you mean 'classes'?"
    ]
    assert problems(TABLE.replace("$(2 * width)", "$(2 * wider)"))[0] == (
        "net.yaml:2:38: '$(2 * wider)': no param 'wider'; did you mean 'width'?"
    )
    assert problems("params: [a]\nmodel: {layers: [flatten]}") == [
        "net.yaml:1:9: config: params: expected a mapping, got ['a']"
    ]


def test_params_of_several_files(tmp_path, toys):
    (tmp_path / "base.yaml").write_text(TABLE)
    (tmp_path / "over.yaml").write_text("extends: base.yaml\nparams: {classes: 5, unread: 0}\n")
    found = read(tmp_path / "over.yaml", (), toys)
    assert [layer.op.value("num_outputs") for layer in found.plan.layers()] == [32, 32, 5]


PIECES = NAMED.split("\n")
TOKENS = ["{", "}", "[]", "{}", ": ", "- ", "null", "3", "-1", "1e9", "true", "$width", "${decay}x", "flatten", "''"]
TOKENS += ["$(width + 1)", "$(1 if", "for: {i: 2}", "when: $(i > 1)", "for: {w: [1, $width]}", "params", "$(units[9])"]
TOKENS += ["layers", "ops", "use: base", "block: unit", "repeat: 3", "reuse: true", "inputs: [a, b]", "scope: a"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_mutation_of_a_config_makes_any_error_but_a_config_error(toys, data):
    lines = list(data.draw(st.sampled_from([PIECES, TABLE.split("\n")])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "copy", "token"]))
        if kind == "drop":
            del lines[at]
        elif kind == "copy":
            lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines[at])
        else:
            column = data.draw(st.integers(0, len(lines[at])))
            cut = data.draw(st.integers(0, 8))
            lines[at] = lines[at][:column] + data.draw(st.sampled_from(TOKENS)) + lines[at][column + cut :]
    quietly("\n".join(lines), toys)


ODD = [
    "$(2 * width)",
    "$(width)",
    {"for": {"i": 3}},
    {"when": False},
    {"for": {"i": [[], None]}, "when": "$(i == null)"},
]


def subtrees(value):
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(s for v in below for s in subtrees(v))]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_exchange_of_values_makes_any_error_but_a_config_error(toys, data):
    text = data.draw(st.sampled_from([NAMED, TABLE]))
    tree = plain(read_text(text, "net.yaml"))
    odd = st.sampled_from([None, True, -1, 3, 0.5, float("nan"), "", "conv2d", "$width", [], {}, [[]], {"a": {}}, *ODD])
    for _ in range(data.draw(st.integers(1, 3))):
        into = data.draw(st.sampled_from([t for t in subtrees(tree) if isinstance(t, (dict, list)) and t]))
        key = data.draw(st.sampled_from(list(into) if isinstance(into, dict) else range(len(into))))
        into[key] = deepcopy(data.draw(odd | st.sampled_from(subtrees(plain(read_text(text, "net.yaml"))))))
    try:
        check(Path("net.yaml"), make(tree, Mark("net.yaml", 1, 1)), toys)
    except ConfigError as error:
        assert error.problems
