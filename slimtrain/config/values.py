"""The value types of the config language, as annotations of registered functions.

A plain type is checked by pydantic (strictly: no text for numbers, no booleans for integers). `ComponentOf`
marks a value that names another registered function; `PathTo` marks a path, relative to where it is
written.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema


@dataclass(frozen=True)
class ComponentOf:
    """Marks an annotation whose value names a registered function of this kind."""

    kind: str


@dataclass(frozen=True)
class ComponentsOf:
    """Marks an annotation whose value is a list of registered functions of this kind."""

    kind: str


@dataclass(frozen=True)
class PathTo:
    """Marks an annotation whose value is a path; `what` says to what."""

    what: str


@dataclass(frozen=True)
class ArgumentsOf:
    """Marks a mapping of arguments for the component that stands in the parameter `of`."""

    of: str


@dataclass(frozen=True)
class NamedComponents:
    """Marks a mapping from one of `names` to a component of `kind`."""

    kind: str
    names: tuple[str, ...]


def _sizes(count: int) -> Callable[[Any], Any]:
    def spread(value: Any) -> tuple[int, ...]:
        values = (value,) * count if isinstance(value, int) else value
        good = isinstance(values, (list, tuple)) and len(values) == count
        if not good or not all(type(v) is int and v >= 1 for v in values):
            raise ValueError(f"should be a whole number from 1, or a list of {count} of them")
        return tuple(values)

    return spread


def _size_schema(count: int) -> WithJsonSchema:
    one = {"type": "integer", "minimum": 1}
    many = {"type": "array", "items": one, "minItems": count, "maxItems": count}
    return WithJsonSchema({"anyOf": [one, many]})


def _any_size(value: Any) -> Any:
    values = value if isinstance(value, (list, tuple)) else [value]
    if not values or not all(type(v) is int and v >= 1 for v in values):
        raise ValueError("should be a whole number from 1, or a list of them")
    return tuple(value) if isinstance(value, list) else value


def _pairs(value: Any) -> Any:
    pairs = value if isinstance(value, (list, tuple)) else ()
    if not pairs or not all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs):
        raise ValueError("should be a list of [before, after]")
    return tuple(tuple(p) for p in pairs)


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _words(value: Any) -> Any:
    if not isinstance(value, (str, list, tuple)):
        raise ValueError("expected a name or a list of names")
    return (value,) if isinstance(value, str) else tuple(value)


def _words_each(value: Any) -> Any:
    return value if isinstance(value, dict) else _words(value)


def _range(value: Any) -> Any:
    pair = value if isinstance(value, (list, tuple)) else ()
    if len(pair) != 2 or not all(type(v) in (int, float) for v in pair) or pair[0] > pair[1]:
        raise ValueError("should be [low, high]")
    return tuple(pair)


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Size1D = Annotated[tuple[int], BeforeValidator(_sizes(1)), _size_schema(1)]
Size2D = Annotated[tuple[int, int], BeforeValidator(_sizes(2)), _size_schema(2)]
Size3D = Annotated[tuple[int, int, int], BeforeValidator(_sizes(3)), _size_schema(3)]
Size = Annotated[
    int | tuple[int, ...],
    BeforeValidator(_any_size),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {"type": "integer", "minimum": 1}}]}
    ),
]
Padding = Annotated[Literal["SAME", "VALID"], BeforeValidator(_upper)]
ImageFormat = Annotated[Literal["NHWC", "NCHW"], BeforeValidator(_upper)]
SequenceFormat = Annotated[Literal["NWC", "NCW"], BeforeValidator(_upper)]
PoolFormat = Annotated[Literal["NWC", "NCW", "NHWC", "NCHW", "NDHWC", "NCDHW"], BeforeValidator(_upper)]
VolumeFormat = Annotated[Literal["NDHWC", "NCDHW"], BeforeValidator(_upper)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Whole = Annotated[int, Field(ge=0, le=2**31 - 1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NonPositive = Annotated[float, Field(le=0, allow_inf_nan=False)]
FromOne = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
KeepFraction = Annotated[float, Field(gt=0, le=1)]
Numbers = Annotated[tuple[Number, ...], BeforeValidator(_listed)]
Range = Annotated[tuple[Number, Number], BeforeValidator(_range)]
Counts = Annotated[tuple[Whole, ...], BeforeValidator(_listed)]
Pairs = Annotated[
    tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], ...],
    BeforeValidator(_pairs),
]
Axes = Annotated[tuple[int, ...], BeforeValidator(_listed)]
Shape = Annotated[tuple[Count, ...], BeforeValidator(_listed)]
_ONE_OR_MANY: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Names = Annotated[tuple[str, ...], BeforeValidator(_words), WithJsonSchema(_ONE_OR_MANY)]
Collections = Annotated[
    tuple[str, ...] | dict[str, Names],
    BeforeValidator(_words_each),
    WithJsonSchema({"anyOf": [*_ONE_OR_MANY["anyOf"], {"type": "object", "additionalProperties": _ONE_OR_MANY}]}),
]
SCOPE_PATTERN = r"^[A-Za-z0-9_.][A-Za-z0-9_.-]*(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)*$"
ScopeName = Annotated[str, Field(pattern=SCOPE_PATTERN)]

Activation = Annotated[Callable[..., Any], ComponentOf("activation")]
Initializer = Annotated[Callable[..., Any], ComponentOf("initializer")]
Regularizer = Annotated[Callable[..., Any], ComponentOf("regularizer")]
RegularizerList = Annotated[tuple[Any, ...], ComponentsOf("regularizer")]
Normalizer = Annotated[Callable[..., Any], ComponentOf("normalizer")]
NormalizerArguments = Annotated[Mapping[str, Any], ArgumentsOf("normalizer_fn")]
Schedule = Annotated[Callable[..., Any], ComponentOf("schedule")]
Losses = Annotated[tuple[Any, ...], ComponentsOf("loss")]
Metrics = Annotated[tuple[Any, ...], ComponentsOf("metric")]
Optimizer = Annotated[Any, ComponentOf("optimizer")]
Preprocess = Annotated[tuple[Any, ...], ComponentsOf("preprocess")]
FieldName = Annotated[str, Field(min_length=1)]
"""The name of a field of the data, `label` say."""
FilePath = Annotated[Path, PathTo("file")]
FolderPath = Annotated[Path, PathTo("folder")]
WeightsPath = Annotated[Path, PathTo("run or file of weights")]


def marker(annotation: Any) -> Any:
    """The `ComponentOf`, `PathTo`, ... inside an annotation, or None for a plain type."""
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, (ComponentOf, ComponentsOf, PathTo, ArgumentsOf, NamedComponents)):
            return extra
    inner = get_args(annotation) if get_origin(annotation) is not Literal else ()
    return next((m for a in inner if not isinstance(a, str) and (m := marker(a))), None)


def takes_null(annotation: Any) -> bool:
    """Whether `null` is among the annotation's values."""
    return annotation is Any or type(None) in get_args(annotation)


@cache
def adapter(annotation: Any) -> TypeAdapter[Any]:
    """pydantic's strict reader for one annotation."""
    return TypeAdapter(annotation, config=ConfigDict(strict=True, arbitrary_types_allowed=True))


_EXPECTED = {
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "string_type": "expected text",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping",
    "mapping_type": "expected a mapping",
}


def check(annotation: Any, value: Any) -> Any:
    """`value` as the annotation has it; raises ValueError with one sentence that names the value."""
    try:
        return adapter(annotation).validate_python(value)
    except ValidationError as error:
        raise ValueError(sentence(error.errors()[0], value)) from None


def sentence(error: Any, value: Any) -> str:
    """One pydantic error in our words: what was expected, and what was there."""
    plain = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "literal_error":
        plain = f"expected {error['ctx']['expected']}"
    if error["type"] == "string_pattern_mismatch":
        plain = "expected a scope name (letters, digits, '_', '.', '-'; parts joined by '/')"
    plain = _EXPECTED.get(error["type"], plain.replace("Input should be", "should be"))
    return f"{plain}, got {show(error.get('input', value))}"


def show(value: Any, limit: int = 60) -> str:
    """A value as a user would write it, cut to `limit` characters."""
    names = {None: "null", True: "true", False: "false"}
    value = value[: limit + 1] if isinstance(value, str) else value  # a text may be a megabyte
    text = names[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
