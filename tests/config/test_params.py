"""`$param` and `${param}`: values keep their type and their place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimtrain.config.nodes import make, plain
from slimtrain.config.params import bound, substitute, used
from slimtrain.config.text import read_text
from slimtrain.errors import Mark


def fill(text, **values):
    problems = []
    nodes = {name: read_text(value, "values.yaml") for name, value in values.items()}
    return substitute(read_text(text, "net.yaml"), nodes, problems), [str(p) for p in problems]


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("$a", "1", 1),
        ("${a}", "1", 1),
        ("$a", "true", True),
        ("$a", "1.0", 1.0),
        ("$a", "'1'", "1"),
        ("$a", "null", None),
        ("$a", "[1, {b: 2}]", [1, {"b": 2}]),
        ("x_${a}", "1", "x_1"),
        ("x_${a}", "true", "x_true"),
        ("x_${a}", "null", "x_null"),
        ("x_${a}", "1e-3", "x_0.001"),
        ("${a}_${a}", "b", "b_b"),
        ("{k: [$a, 2]}", "1", {"k": [1, 2]}),
        ("x$a", "1", "x$a"),
        ("$", "1", "$"),
        ("$$a", "1", "$$a"),
        ("cost in $", "1", "cost in $"),
    ],
)
def test_what_stands_for_a_param(text, value, found):
    node, problems = fill(text, a=value)
    assert plain(node) == found and type(plain(node)) is type(found) and not problems


def test_true_and_one_stay_apart():
    node, _ = fill("[$a, $b]", a="true", b="1")
    assert [type(v) for v in plain(node)] == [bool, int]


def test_keys_are_left_alone():
    assert plain(fill("{$a: 1}", a="x")[0]) == {"$a": 1}


def test_a_value_keeps_the_place_where_it_was_written_and_the_rest_its_own():
    node, _ = fill("[$a, 'x_${a}']", a="7")
    assert [str(n.mark) for n in node.sequence] == ["values.yaml:1:1", "net.yaml:1:6"]


def test_a_param_that_is_none_is_named():
    assert fill("[$wdith, '${x}y']", width="1")[1] == [
        "net.yaml:1:2: '$wdith' names no param; did you mean 'width'?",
        "net.yaml:1:10: '${x}y' names no param; params here are (width)",
    ]
    assert fill("$x")[1] == ["net.yaml:1:1: '$x' names no param; there are no params here"]


def test_a_list_has_no_text():
    assert fill("x_${a}", a="[1]")[1] == ["net.yaml:1:1: 'x_${a}': a list or mapping has no text"]


def test_texts_and_trees_that_grow_are_stopped():
    assert fill("${a}" * 2 + "x", a="y" * 9000)[1] == ["net.yaml:1:1: text of 18001 characters; at most 10000"]
    many = "[" + "1," * 1000 + "]"
    assert fill("[" + "$a," * 100 + "]", a=many)[1] == [
        "net.yaml:1:1: more than 50000 values or 64 levels once its params are written out; pass smaller params"
    ]
    assert len(fill("[" * 40 + "$a" + "]" * 40, a="[" * 40 + "]" * 40)[1]) == 1


def bind(body, given=None, **outer):
    problems = []
    around = {name: read_text(value, "outer.yaml") for name, value in outer.items()}
    node = read_text(given, "net.yaml") if given else None
    found = bound("block unit", read_text(body, "net.yaml"), node, read_text("x", "site.yaml"), around, problems)
    return found and {k: plain(v) for k, v in found.items()}, [str(p) for p in problems]


def test_given_values_beat_defaults():
    assert bind("params: {a: 1, b: 2}", "{b: 3}") == ({"a": 1, "b": 3}, [])
    assert bind("params: {a: 1}", "{a: null}") == ({"a": None}, [])
    assert bind("layers: []") == ({}, [])
    assert bind("params: [a]", "{a: 1}") == ({"a": 1}, [])
    assert bind("params: [a, {b: 2, c: $(a + b)}]", "{a: 1}") == ({"a": 1, "b": 2, "c": 3}, [])


def test_a_default_is_made_of_the_params_around_it_and_above_it():
    assert bind("params: {a: 2, b: $(a * c)}", c="5") == ({"c": 5, "a": 2, "b": 10}, [])
    assert bind("params: {a: 2, b: $(a + 1)}", "{a: 7}") == ({"a": 7, "b": 8}, [])
    assert bind("params: {a: $b, b: 1}")[1] == ["net.yaml:1:13: '$b' names no param; there are no params here"]


def test_an_inner_param_hides_an_outer_one():
    assert bind("params: {a: 1}", a="2", b="3") == ({"a": 1, "b": 3}, [])
    assert bind("params: {a: $a}", a="2") == ({"a": 2}, [])


def test_params_without_a_default_must_be_given_and_all_missing_ones_are_told():
    assert bind("params: [d, c, b, a]", "{b: 1}") == (
        None,
        [f"site.yaml:1:1: block unit: param '{n}' is not given; add 'with: {{{n}: ...}}'" for n in "dca"],
    )


def test_unknown_params_are_named():
    assert bind("params: {width: 1}", "{wdith: 2}")[1] == [
        "net.yaml:1:2: block unit: no param 'wdith'; did you mean 'width'?"
    ]
    assert bind("params: {width: 1}", "{zz: 2}")[1] == ["net.yaml:1:2: block unit: no param 'zz'; it takes (width)"]
    assert bind("layers: []", "{zz: 2}")[1] == ["net.yaml:1:2: block unit: no param 'zz'; it takes none"]


def test_params_and_with_have_a_form():
    assert bind("params: [3, a]", "{a: 1}")[1] == [
        "net.yaml:1:10: params: expected a mapping or a list of names, got 3"
    ]
    assert bind("params: 3")[1] == ["net.yaml:1:9: params: expected a mapping or a list of names, got 3"]
    assert bind("params: {a: 1}", "[a]")[1] == ["net.yaml:1:1: block unit: 'with' is a mapping of params, got a list"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$(a + 1)", 4),
        ("$(a / 2)", 1.5),
        ("$(a)", 3),
        ("$(a > 2)", True),
        ("$(b[1])", "y"),
        ("$(null if a == 3 else a)", None),
        ("conv$(a)_$(a * 2)", "conv3_6"),
        ("$(a)$(a)", "33"),
        ("$(a)_${a}", "3_3"),
        ("$('(' if a > 0 else ')')", "("),
        ("[$(a), {k: $(b)}]", [3, {"k": ["x", "y"]}]),
    ],
)
def test_expressions_stand_where_params_do(text, found):
    node, problems = fill(text if text[0] == "[" else json.dumps(text), a="3", b="[x, y]")
    assert plain(node) == found and type(plain(node)) is type(found) and not problems


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("$(wdith * 2)", "no param 'wdith'; did you mean 'width'?"),
        ("$(1 if true else wdith)", "no param 'wdith'; did you mean 'width'?"),
        ("$(width +)", "expected a value in the expression, got ')'"),
        ("$(width / 0)", "/ divides 1 by 0"),
        (
            "a_$(width",
            "expected ')', but the expression ends; inside {} and [], YAML ends a text at a comma or bracket:",
        ),
    ],
)
def test_expressions_that_are_wrong_are_told_with_their_place(text, told):
    found = fill(json.dumps(text), width="1")[1]
    assert len(found) == 1 and found[0].startswith(f"net.yaml:1:1: '{text}': {told}")


def test_an_expressions_value_has_the_place_of_the_expression_and_a_params_its_own():
    node, _ = fill("[$(a + 1), $(a)]", a="7")
    assert [str(n.mark) for n in node.sequence] == ["net.yaml:1:2", "values.yaml:1:1"]


def test_names_that_a_tree_reads():
    text = "{a: $x, b: ['${y}_$(z + u[0])', $v-, '$(w +'], $k: 1}"
    assert sorted(used(read_text(text, "net.yaml"))) == ["u", "x", "y", "z"]


TREES = st.recursive(
    st.sampled_from(["$a", "${b}", "x_${a}", "$(a + 1)", "$(b)", "$(a < 2)", "text", 1, None, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("klm"), inner, max_size=3),
    max_leaves=12,
)


@given(TREES)
def test_what_is_written_out_holds_no_params_and_is_written_out_once(tree):
    mark = Mark("net.yaml", 1, 1)
    values, problems = {"a": make(1, mark), "b": make("b", mark)}, []
    once = substitute(make(tree, mark), values, problems)
    assert not problems and not list(used(once))
    assert plain(substitute(once, {}, problems)) == plain(once) and not problems


@given(st.text(alphabet="$(){}ab1+'[] ,", max_size=30))
def test_any_text_is_a_value_or_a_problem(text):
    problems = []
    substitute(make(text, Mark("net.yaml", 1, 1)), {"a": make(1, Mark("net.yaml", 1, 1))}, problems)
    assert all(p.mark and p.what for p in problems)
