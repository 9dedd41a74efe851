"""Annotations in plain words."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import pytest
from pydantic import WithJsonSchema

from slimtrain.config import values
from slimtrain.config.typewords import shown, type_words

WORDS = {
    "whole number": int,
    "whole number from 1": values.Count,
    "whole number from 0 or null": values.Whole | None,
    "number above 0": values.Positive,
    "number from 0 to 1": values.Fraction,
    "true or false": bool,
    "true or false, or null": bool | None,
    "text": str,
    "2 sizes or one": values.Size2D,
    "2 sizes or one, or null": values.Size2D | None,
    "one of SAME, VALID": values.Padding,
    "one of NHWC, NCHW, or null": values.ImageFormat | None,
    "fine": Literal["fine"],
    "list of numbers": values.Numbers,
    "list of whole numbers from 1": values.Shape,
    "name or list of names": values.Names,
    "name or list of names or null": values.Names | None,
    "name, or list of names, or mapping from names to name or list of names": values.Collections,
    "2 whole numbers": tuple[int, int],
    "list of true or false": list[bool],
    "list of values": list[Any],
    "initializer": values.Initializer,
    "activation or null": values.Activation | None,
    "number or schedule": values.Schedule,
    "loss or list of them": values.Losses,
    "preprocess or list of them, or null": values.Preprocess | None,
    "mapping, arguments of normalizer_fn, or null": values.NormalizerArguments | None,
    "mapping from beta to initializer": Annotated[Mapping[str, Any], values.NamedComponents("initializer", ("beta",))],
    "path to a folder": values.FolderPath,
    "mapping": Mapping[str, Any],
    "mapping from names to number": dict[str, float],
    "mapping from a, b to number from 0": dict[Literal["a", "b"], values.NonNegative],
    "any value": Any,
    "number to 3": Annotated[Any, WithJsonSchema({"type": "number", "maximum": 3})],
}


@pytest.mark.parametrize(("words", "annotation"), WORDS.items(), ids=WORDS)
def test_words(words: str, annotation: Any) -> None:
    assert type_words(annotation) == words


@pytest.mark.parametrize("annotation", [Callable[..., int], Annotated[Any, WithJsonSchema({"type": ["null"]})]])
def test_a_type_without_words(annotation: Any) -> None:
    assert type_words(annotation) == "any value"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0.001, "0.001"),
        (1e-8, "1e-08"),
        ([1, [2.0, "a"]], "[1, [2, a]]"),
        ("a", "a"),
    ],
)
def test_shown(value: Any, text: str) -> None:
    assert shown(value) == text
