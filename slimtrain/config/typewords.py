"""What a value may be, in plain words, from its annotation."""

from collections.abc import Callable, Mapping
from typing import Any

from slimtrain.config import values
from slimtrain.config.valueschema import TEXT, Schema, any_of, plain_schema

_UNBOUNDED = 2**31 - 1


def type_words(annotation: Any) -> str:
    """An annotation's values: `whole number from 1`, `initializer or null`, `one of SAME, VALID`.

    Args:
        annotation: a plain type or a marked one, as in slimtrain.config.values.
    """
    kind = values.marker(annotation)
    if kind is None:
        return _words(plain_schema(annotation))
    return _alternatives([_marked(kind), *(["null"] if values.takes_null(annotation) else [])])


def _marked(kind: Any) -> str:
    if isinstance(kind, values.ComponentOf):
        return {"schedule": "number or schedule"}.get(kind.kind, kind.kind)
    if isinstance(kind, values.ComponentsOf):
        return f"{kind.kind} or list of them"
    if isinstance(kind, values.NamedComponents):
        return f"mapping from {', '.join(kind.names)} to {kind.kind}"
    if isinstance(kind, values.ArgumentsOf):
        return f"mapping, arguments of {kind.of}"
    return f"path to a {kind.what}"


def _alternatives(words: list[str]) -> str:
    """`a or b`; with a comma where an alternative holds an `or` or a list itself."""
    unique = list(dict.fromkeys(words))
    long = any(" or " in w or ", " in w for w in unique)
    return (", or " if long else " or ").join(unique)


def _words(schema: Schema) -> str:
    if "enum" in schema or "const" in schema:
        return _choice(schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        flat = any_of(*schema["anyOf"])
        return _any(flat.get("anyOf", [flat]))
    tell = _TYPES.get(str(schema.get("type")))
    return tell(schema) if tell else "any value"


def _choice(known: list[Any]) -> str:
    words = [shown(v) for v in known]
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _any(forms: list[Schema]) -> str:
    """Alternatives; a value and a list of as many as it stands for are told as one: `2 sizes or one`."""
    spread = [f for f in forms if f.get("minItems") and f.get("items") in forms]
    hidden = [f["items"] for f in spread]
    items = [f["items"] for f in forms if "items" in f]
    words = [_single(f) if f in items else _words(f) for f in forms if f not in hidden]
    return _alternatives([f"{w} or one" if spread and w == _words(spread[0]) else w for w in words])


def _single(schema: Schema) -> str:
    return "name" if schema == TEXT else _words(schema)


def _plural(schema: Schema) -> str:
    if schema == {"type": "integer", "minimum": 1}:
        return "sizes"
    first = {"string": "names", "integer": "whole numbers", "number": "numbers"}.get(str(schema.get("type")))
    return f"{first}{_bounds(schema)}" if first else _words(schema)


def _list(schema: Schema) -> str:
    inner = schema.get("items") or schema.get("prefixItems", [{}])[0]
    count = schema.get("minItems") if schema.get("minItems") == schema.get("maxItems") else None
    return f"{f'{count} ' if count else 'list of '}{_plural(inner) if inner else 'values'}"


def _mapping(schema: Schema) -> str:
    names = schema.get("propertyNames", {}).get("enum") or list(schema.get("properties", ()))
    inner = schema.get("additionalProperties")
    start = f"mapping from {', '.join(names) if names else 'names'}"
    return f"{start} to {_words(inner)}" if isinstance(inner, dict) and inner else "mapping"


def _bounds(schema: Schema) -> str:
    """` from 0 to 1`, ` above 0`, or nothing; the largest 32-bit integer is no bound worth a word."""
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    told = {word: schema[key] for key, word in words.items() if schema.get(key) not in (None, _UNBOUNDED)}
    return "".join(f" {word} {shown(bound)}" for word, bound in told.items())


def shown(value: Any) -> str:
    """A value as a config would have it."""
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else values.show(value)


_TYPES: Mapping[str, Callable[[Schema], str]] = {
    "integer": lambda s: "whole number" + _bounds(s),
    "number": lambda s: "number" + _bounds(s),
    "string": lambda s: "text",
    "boolean": lambda s: "true or false",
    "null": lambda s: "null",
    "array": _list,
    "object": _mapping,
}
