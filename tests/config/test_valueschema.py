"""One argument's values as JSON Schema: what the strict reader takes, the schema takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from slimtrain.config import values
from slimtrain.config.valueschema import NULL, PARAM, any_of, value, with_params, written

PLAIN = [
    values.Count,
    values.Whole | None,
    values.Fraction,
    values.Size2D,
    values.Padding,
    values.Names,
    values.Collections,
    values.Numbers,
    values.Shape | None,
    values.ScopeName,
    bool,
    dict[str, values.NonNegative],
]
SAMPLES = [
    None, True, 0, 1, -1, 0.5, 2.5, "SAME", "a/b", "a b", "", [], [1], [1, 2], [0, 1], [0.5], ["a"], ["a", 1],
    {}, {"a": 1}, {"a": "b"}, {"a": ["b"]}, {"a": -1},
]  # fmt: skip


@pytest.mark.parametrize("annotation", PLAIN, ids=range(len(PLAIN)))
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_agrees_with_the_reader(annotation: Any, sample: Any) -> None:
    try:
        values.check(annotation, sample)
    except ValueError:
        taken = False
    else:
        taken = True
    assert Draft202012Validator(value(annotation)).is_valid(sample) == taken


def test_marked_values_point_into_the_definitions() -> None:
    assert value(values.Activation) == {"$ref": "#/$defs/activation"}
    assert value(values.Activation | None) == {"anyOf": [{"$ref": "#/$defs/activation"}, NULL, PARAM]}
    assert value(values.FolderPath) == {"anyOf": [{"type": "string", "minLength": 1}, PARAM]}


def test_a_type_without_a_schema_takes_anything() -> None:
    assert value(Callable[..., int]) == {}


def test_references_are_written_out() -> None:
    @dataclass(frozen=True)
    class Pair:
        left: int
        right: int

    schema = value(list[Pair])
    assert schema["anyOf"][0]["items"]["anyOf"][0]["properties"]["left"]["type"] == "integer"
    assert "$defs" not in schema and "$ref" not in str(schema)


def test_params_stand_at_every_depth() -> None:
    for annotation, sample in [
        (values.Count, "$n"),
        (values.Size2D, [1, "${n}"]),
        (dict[str, float], {"a": "$x"}),
    ]:
        assert Draft202012Validator(value(annotation)).is_valid(sample)
    assert with_params({"type": "string"}) == {"type": "string"}


@pytest.mark.parametrize(
    ("text", "good"),
    [("$n", True), ("a${n}", True), ("n", False), ("a$n", False), ("$", False), ("$(n + 1)", True), ("a$(n)", True)],
)
def test_param_text(text: str, good: bool) -> None:
    assert Draft202012Validator(PARAM).is_valid(text) == good


def test_any_of() -> None:
    assert any_of(NULL, NULL) == NULL
    assert any_of(any_of(NULL, PARAM), {"const": 1}) == {"anyOf": [NULL, PARAM, {"const": 1}]}
    assert not Draft202012Validator(any_of()).is_valid(1)


def test_written_defaults() -> None:
    assert written((1, (2, None))) == [1, [2, None]]
    assert written(len) == "len"
