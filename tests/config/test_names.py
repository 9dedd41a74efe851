"""Scope names, as TF-Slim makes them."""

import time

import pytest

from slimtrain.config.names import Names, nearest, under
from slimtrain.errors import Mark

HERE = Mark("net.yaml", 1, 1)
FC = "- fully_connected: {num_outputs: 3}"
CONV = "- conv2d: {num_outputs: 3, kernel_size: 1}"


def scoped(name, more="", op="fully_connected", arguments="num_outputs: 3"):
    return f"- {op}: {{{arguments}, scope: {name}{more}}}"


def test_defaults_are_made_unique_within_their_parent(paths):
    assert paths(f"{CONV}\n{CONV}\n{FC}\n- flatten\n- flatten\n{CONV}") == [
        *("Conv", "Conv_1", "fully_connected", "Flatten", "Flatten_1", "Conv_2")
    ]
    block = f"- scope: b\n  layers:\n  {CONV}\n  {CONV}"
    assert paths(f"{CONV}\n{block}\n{CONV}") == ["Conv", "b/Conv", "b/Conv_1", "Conv_1"]


def test_an_explicit_name_advances_the_counter(paths):
    assert paths(f"{scoped('Conv')}\n{CONV}") == ["Conv", "Conv_1"]
    assert paths(f"{scoped('Conv_1')}\n{CONV}\n{CONV}\n{CONV}") == ["Conv_1", "Conv", "Conv_2", "Conv_3"]


def test_the_root_scope_stands_above_all(paths):
    assert paths(f"{CONV}\n{scoped('x')}", model="scope: Net") == ["Net/Conv", "Net/x"]


def test_a_block_without_a_scope_opens_none(paths):
    assert paths(f"- layers:\n  {CONV}\n- layers:\n  {CONV}") == ["Conv", "Conv_1"]


def test_entering_a_scope_again_starts_its_counters_afresh(paths):
    block = f"- scope: b\n  layers:\n  {CONV}\n  {CONV}"
    again = f"- scope: b\n  reuse: true\n  layers:\n  {CONV}\n  {CONV}"
    assert paths(f"{block}\n{again}") == ["b/Conv", "b/Conv_1"] * 2


def test_a_layer_may_share_another_ones_variables(paths):
    assert paths(f"{scoped('a')}\n{scoped('a', ', reuse: true')}") == ["a", "a"]


def test_repeat_and_stack_name_their_layers_as_tf_slim(paths):
    conv = "conv2d: {num_outputs: 3, kernel_size: 1}"
    assert paths(f"- repeat: {{layer: {{{conv}}}, repetitions: 2, scope: conv}}") == ["conv/conv_1", "conv/conv_2"]
    twice = f"- repeat: {{layer: {{{conv}}}, repetitions: 1}}"
    assert paths(f"{twice}\n{twice}") == ["Repeat/convolution2d_1", "Repeat_1/convolution2d_1"]
    assert paths("- stack: {layer: fully_connected, stack_args: [64, 32], scope: fc}") == ["fc/fc_1", "fc/fc_2"]
    assert paths("- stack: {layer: fully_connected, stack_args: [64]}") == ["Stack/fully_connected_1"]


@pytest.mark.parametrize(
    ("layers", "lines"),
    [
        (
            f"{scoped('a')}\n- flatten\n{scoped('a')}",
            [
                "6:41: fully_connected 'a': scope 'a' is taken at net.yaml:4:7; "
                "add 'reuse: true' to share its variables, or give it another scope"
            ],
        ),
        (
            f"{scoped('conv1')}\n{scoped('conv2', ', reuse: true')}",
            ["5:41: fully_connected 'conv2': nothing to reuse: no earlier scope 'conv2'; did you mean 'conv1'?"],
        ),
        (
            scoped("zzz", ", reuse: true"),
            [
                "4:41: fully_connected 'zzz': nothing to reuse: no earlier scope 'zzz'; "
                "the first use goes without 'reuse'"
            ],
        ),
        (
            "- fully_connected: {num_outputs: 3, reuse: true}",
            ["4:7: fully_connected: reuse without a scope; name the scope to share: 'scope: NAME'"],
        ),
        (
            "- {scope: b, layers: [flatten]}\n- {scope: b, layers: [flatten]}",
            [
                "5:8: block: scope 'b' is taken at net.yaml:4:7; "
                "add 'reuse: true' to share its variables, or give it another scope"
            ],
        ),
    ],
)
def test_scopes_that_clash(problems, layers, lines):
    body = "\n".join("    " + line for line in layers.split("\n"))
    assert problems(f"model:\n  scope: null\n  layers:\n{body}\n") == ["net.yaml:" + line for line in lines]


def test_deeper_counters_are_forgotten_with_their_parent():
    names = Names()
    for path in ("a", "a/b/c", "a/b", "x/y/z"):
        names.open(path, HERE)
    names.open("a", HERE)
    names.open("x", HERE)
    assert names.unique("a/b", "c") == "a/b/c" and names.unique("x/y", "z") == "x/y/z"
    assert names.unique("", "a") == "a_1" and names.unique("a", "b") == "a/b"


def test_a_name_inside_another_does_not_count_the_outer():
    names = Names()
    names.open("a/b", HERE)
    assert names.unique("", "a") == "a"


def test_many_names_take_no_time_to_speak_of():
    names = Names()
    start = time.perf_counter()
    for _ in range(20_000):
        names.open(names.unique("net", "Conv"), HERE)
    assert names.unique("net", "Conv") == "net/Conv_20000" and time.perf_counter() - start < 5


def test_under():
    assert under("", "a") == "a" and under("a", "b") == "a/b"


def test_the_nearest_name_is_looked_for_outwards():
    known = dict.fromkeys(["a", "n/a", "n/b/a", "n/c"], HERE)
    assert nearest("a", "n/b", known) == "n/b/a"
    assert nearest("a", "n/zz", known) == "n/a"
    assert nearest("c", "n/b/x/y", known) == "n/c"
    assert nearest("b/a", "n", known) == "n/b/a"
    assert nearest("a", "", known) == "a" and nearest("c", "", known) is None
    assert nearest("/a", "n/b", known) == "a" and nearest("/c", "n", known) is None
