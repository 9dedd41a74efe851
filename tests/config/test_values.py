"""Value types: what each takes, and the one sentence for what it does not."""

from typing import Annotated, Any, Literal

import pytest

from slimtrain.config import values as v


@pytest.mark.parametrize(
    ("annotation", "value", "read"),
    [
        (v.Size2D, 3, (3, 3)),
        (v.Size2D, [3, 5], (3, 5)),
        (v.Padding, "same", "SAME"),
        (v.ImageFormat, "nchw", "NCHW"),
        (v.Count, 1, 1),
        (v.Whole, 0, 0),
        (v.Positive, 3, 3.0),
        (v.NonNegative, 0, 0.0),
        (v.Fraction, 1, 1.0),
        (v.KeepFraction, 0.5, 0.5),
        (v.Numbers, [1, 2.5], (1.0, 2.5)),
        (v.Names, "a", ("a",)),
        (v.Names, ["a", "b"], ("a", "b")),
        (v.Collections, "a", ("a",)),
        (v.Collections, ["a"], ("a",)),
        (v.Collections, {"weights": "a", "biases": ["b", "c"]}, {"weights": ("a",), "biases": ("b", "c")}),
        (v.ScopeName, "a/b_1.x-y", "a/b_1.x-y"),
        (bool, True, True),
        (int | None, None, None),
    ],
)
def test_values_are_read(annotation, value, read):
    found = v.check(annotation, value)
    assert found == read and type(found) is type(read)


@pytest.mark.parametrize(
    ("annotation", "value", "sentence"),
    [
        (v.Count, 64.0, "expected a whole number, got 64.0"),
        (v.Count, True, "expected a whole number, got true"),
        (v.Count, "64", "expected a whole number, got '64'"),
        (v.Count, None, "expected a whole number, got null"),
        (v.Count, 0, "should be greater than or equal to 1, got 0"),
        (v.Count, 2**40, "should be less than or equal to 2147483647, got 1099511627776"),
        (v.Number, "1e-3", "expected a number, got '1e-3'"),
        (v.Number, True, "expected a number, got true"),
        (v.Number, float("nan"), "expected a finite number, got nan"),
        (v.Positive, float("inf"), "expected a finite number, got inf"),
        (v.Fraction, 1.5, "should be less than or equal to 1, got 1.5"),
        (v.Fraction, float("nan"), "should be less than or equal to 1, got nan"),
        (v.KeepFraction, 0, "should be greater than 0, got 0"),
        (bool, "no", "expected true or false, got 'no'"),
        (bool, 1, "expected true or false, got 1"),
        (str, 3, "expected text, got 3"),
        (v.Padding, "FULL", "expected 'SAME' or 'VALID', got 'FULL'"),
        (v.Padding, 3, "expected 'SAME' or 'VALID', got 3"),
        (v.Size2D, 0, "should be a whole number from 1, or a list of 2 of them, got 0"),
        (v.Size2D, [3], "should be a whole number from 1, or a list of 2 of them, got [3]"),
        (v.Size2D, True, "should be a whole number from 1, or a list of 2 of them, got true"),
        (v.Size2D, [True, 1], "should be a whole number from 1, or a list of 2 of them, got [True, 1]"),
        (v.Size2D, 3.0, "should be a whole number from 1, or a list of 2 of them, got 3.0"),
        (v.Numbers, 3, "expected a list, got 3"),
        (v.Numbers, [1, "x"], "expected a number, got 'x'"),
        (v.Names, 3, "expected a name or a list of names, got 3"),
        (v.Names, ["a", 3], "expected text, got 3"),
        (v.Collections, 3, "expected a name or a list of names, got 3"),
        (dict[str, int], 3, "expected a mapping, got 3"),
        (
            v.ScopeName,
            "a b",
            "expected a scope name (letters, digits, '_', '.', '-'; parts joined by '/'), got 'a b'",
        ),
    ],
)
def test_a_wrong_value_is_one_sentence(annotation, value, sentence):
    with pytest.raises(ValueError) as caught:
        v.check(annotation, value)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("scope", ["", "/a", "a/", "a//b", "-a", "a\n", "é", "a b", "$x"])
def test_scope_names_that_no_variable_can_have(scope):
    with pytest.raises(ValueError):
        v.check(v.ScopeName, scope)


def test_true_and_one_are_two_values():
    assert v.check(bool, True) is True and v.check(v.Count, 1) == 1 and v.check(v.Number, 1) == 1.0
    for annotation, value in ((bool, 1), (v.Count, True), (v.Number, True)):
        with pytest.raises(ValueError):
            v.check(annotation, value)


def test_markers_are_found_inside_annotations():
    assert v.marker(v.Activation | None) == v.ComponentOf("activation")
    assert v.marker(v.FilePath) == v.PathTo("file")
    assert v.marker(v.Losses) == v.ComponentsOf("loss")
    assert v.marker(Literal["a"]) is None and v.marker(v.Count) is None and v.marker(Any) is None
    assert v.marker(Annotated[int, "note"]) is None


def test_null_is_a_value_only_where_it_is_said():
    assert v.takes_null(v.Activation | None) and v.takes_null(Any)
    assert not v.takes_null(v.Count) and not v.takes_null(v.Names)


def test_shown_values_are_yaml_and_short():
    assert [v.show(x) for x in (None, True, False, 1, "a")] == ["null", "true", "false", "1", "'a'"]
    assert len(v.show("x" * 1000)) == 60
