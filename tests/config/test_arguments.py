"""Arguments: types, components, required ones, and every problem at its place."""

from pathlib import Path

import pytest


def told(problems, call):
    """The lines about one layer, without their file."""
    return [line.removeprefix("net.yaml:") for line in problems(f"model:\n  layers:\n  - {call}\n")]


@pytest.mark.parametrize(
    ("call", "lines"),
    [
        (
            "conv2d: {fliters: 3, num_outputs: 4, kernel_size: 3, scope: conv3}",
            [
                "3:14: conv2d 'conv3': unknown argument 'fliters' (conv2d takes: num_outputs, kernel_size, stride, "
                "padding, activation_fn, normalizer_fn, normalizer_params, weights_initializer, weights_regularizer)"
            ],
        ),
        (
            "dropout: {keep_probs: 0.5}",
            [
                "3:15: dropout: unknown argument 'keep_probs'; did you mean 'keep_prob'? (dropout takes: keep_prob)",
            ],
        ),
        ("flatten: {x: 1}", ["3:15: flatten: unknown argument 'x' (flatten takes none)"]),
        (
            "conv2d: {scope: a}",
            [
                "3:5: conv2d 'a': 'num_outputs' is missing; it is: channels that come out.",
                "3:5: conv2d 'a': 'kernel_size' is missing; it is: height and width of the kernel.",
            ],
        ),
        ("fully_connected", ["3:5: fully_connected: 'num_outputs' is missing"]),
        (
            "fully_connected: {num_outputs: 64.0}",
            ["3:36: fully_connected: num_outputs: expected a whole number, got 64.0"],
        ),
        (
            "fully_connected: {num_outputs: true}",
            ["3:36: fully_connected: num_outputs: expected a whole number, got true"],
        ),
        (
            "fully_connected: {num_outputs: 3, scope: 3}",
            ["3:46: fully_connected: scope: expected text, got 3"],
        ),
        ("dropout: {keep_prob: much}", ["3:26: dropout: keep_prob: expected a number, got 'much'"]),
        (
            "fully_connected: {num_outputs: 3, activation_fn: rellu}",
            ["3:54: fully_connected: activation_fn: no activation 'rellu'; did you mean 'relu'?"],
        ),
        (
            "fully_connected: {num_outputs: 3, activation_fn: zz}",
            ["3:54: fully_connected: activation_fn: no activation 'zz'; there are (leaky_relu, relu, tanh)"],
        ),
        (
            "fully_connected: {num_outputs: 3, activation_fn: 1}",
            ["3:54: fully_connected: activation_fn: expected one activation, as a name or {name: arguments}, got 1"],
        ),
        (
            "fully_connected: {num_outputs: 3, activation_fn: {relu: {}, tanh: {}}}",
            [
                "3:54: fully_connected: activation_fn: expected one activation, as a name or {name: arguments}, "
                "got 2 keys: relu, tanh"
            ],
        ),
        (
            "fully_connected: {num_outputs: 3, activation_fn: {}}",
            [
                "3:54: fully_connected: activation_fn: expected one activation, as a name or {name: arguments}, "
                "got a mapping"
            ],
        ),
        (
            "fully_connected: {num_outputs: 3, activation_fn: {leaky_relu: 0.1}}",
            [
                "3:67: fully_connected: activation_fn: leaky_relu: expected a mapping of arguments, got 0.1; "
                "write leaky_relu: {alpha: ...}"
            ],
        ),
        (
            "fully_connected: {num_outputs: 3, weights_regularizer: {l2: -1}}",
            ["3:65: fully_connected: weights_regularizer l2: scale: should be greater than or equal to 0, got -1"],
        ),
        (
            "fully_connected: {num_outputs: 3, weights_regularizer: l2}",
            ["3:60: fully_connected: weights_regularizer l2: 'scale' is missing; it is: factor on the sum."],
        ),
        (
            "conv2d: {num_outputs: 3, kernel_size: 1, weights_initializer: null}",
            ["3:67: conv2d: weights_initializer: expected one initializer, as a name or {name: arguments}, got null"],
        ),
        (
            "fully_connected: {num_outputs: 3, normalizer_fn: batch_norm, normalizer_params: {dcay: 0.5}}",
            [
                "3:86: fully_connected: normalizer_fn batch_norm: unknown argument 'dcay'; did you mean 'decay'? "
                "(batch_norm takes: decay, scale, epsilon, is_training)"
            ],
        ),
        (
            "fully_connected: {num_outputs: 3, normalizer_fn: batch_norm, normalizer_params: 3}",
            ["3:85: fully_connected: normalizer_fn: normalizer_params is a mapping, got 3"],
        ),
        (
            "fully_connected: {num_outputs: 3, normalizer_fn: flatten}",
            ["3:54: fully_connected: normalizer_fn: no normalizer 'flatten'; there are (batch_norm, layer_norm)"],
        ),
        ("dropout: {trainable: 1}", ["3:26: dropout: trainable: expected true or false, got 1"]),
        ("dropout: {inputs: 3}", ["3:23: dropout: inputs: expected a name or a list of names, got 3"]),
    ],
)
def test_what_is_wrong_is_told_at_its_place(problems, call, lines):
    assert told(problems, call) == lines


def test_problems_come_in_order_of_place_all_at_once(problems):
    lines = told(problems, "fully_connected: {zz: 1, num_outputs: x, activation_fn: y, scope: 3}")
    assert [line.split(": ")[0] for line in lines] == ["3:23", "3:43", "3:61", "3:71"]


def argument(plan, call, name):
    return next(iter(plan(f"- {call}").layers())).op.arguments[name]


def test_values_of_all_types(plan):
    call = "conv2d: {num_outputs: 4, kernel_size: [3, 5], padding: valid, weights_regularizer: {l2: 1}}"
    found = {n: argument(plan, call, n).value for n in ("num_outputs", "kernel_size", "stride", "padding")}
    assert found == {"num_outputs": 4, "kernel_size": (3, 5), "stride": (1, 1), "padding": "VALID"}
    scale = argument(plan, call, "weights_regularizer").value.value("scale")
    assert scale == 1.0 and type(scale) is float


@pytest.mark.parametrize(
    ("written", "name", "arguments"),
    [
        ("tanh", "tanh", {}),
        ("{tanh: }", "tanh", {}),
        ("{tanh: {}}", "tanh", {}),
        ("{leaky_relu: {alpha: 0.3}}", "leaky_relu", {"alpha": 0.3}),
        ("leaky_relu", "leaky_relu", {"alpha": 0.2}),
    ],
)
def test_the_ways_to_write_a_component(plan, written, name, arguments):
    found = argument(plan, f"fully_connected: {{num_outputs: 3, activation_fn: {written}}}", "activation_fn")
    assert found.value.name == name
    assert {n: a.value for n, a in found.value.arguments.items()} == arguments


def test_a_default_component_is_resolved_too(plan):
    found = argument(plan, "fully_connected: {num_outputs: 3}", "activation_fn")
    assert (found.value.kind, found.value.name, str(found.origin)) == ("activation", "relu", "default")


def test_the_words_of_a_normalizer(plan):
    call = "fully_connected: {num_outputs: 3, normalizer_fn: batch_norm, normalizer_params: {scope: bn}}"
    assert argument(plan, call, "normalizer_fn").value.value("scope") == "bn"


def test_arguments_written_inside_a_normalizer_yield_to_normalizer_params(plan):
    call = (
        "fully_connected: {num_outputs: 3, normalizer_fn: {batch_norm: {decay: 0.1, scale: true}}, "
        "normalizer_params: {decay: 0.2}}"
    )
    found = argument(plan, call, "normalizer_fn").value
    assert (found.value("decay"), found.value("scale")) == (0.2, True)


def test_origins_of_a_component_inside_a_section(document):
    found = document("optimizer:\n  sgd: {learning_rate: 0.1}\nmodel: {layers: [flatten]}\n").optimizer
    rate = found.arguments["learning_rate"]
    assert rate.value.name == "constant" and rate.value.value("value") == 0.1
    assert rate.origin.mark.short == "net.yaml:2"


def test_the_command_line_is_an_origin(document):
    text = "model: {layers: [{dropout: {keep_prob: 0.5}}]}\n"
    found = next(iter(document(text, "model.layers.0.dropout.keep_prob=0.25").plan.layers()))
    assert found.op.value("keep_prob") == 0.25
    assert str(found.op.arguments["keep_prob"].origin) == "command line"


def test_paths_are_relative_to_where_they_are_written(document):
    text = "data: {source: arrays, train: sub/x.npz}\nmodel: {layers: [flatten]}\n"
    assert document(text).source.value("train") == Path("/configs/sub/x.npz")
    here = document(text, "data.train=sub/y.npz").source.value("train")
    assert here == Path.cwd() / "sub/y.npz"
    assert document(text.replace("sub/x", "/abs/x")).source.value("train") == Path("/abs/x.npz")


def test_a_path_is_text(problems):
    text = "data: {source: arrays, train: 3}\nmodel: {layers: [flatten]}\n"
    assert problems(text) == ["net.yaml:1:31: data: train: expected a path to a file, got 3"]
