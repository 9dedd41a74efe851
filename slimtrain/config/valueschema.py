"""One argument's values as JSON Schema, read off its annotation."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic.errors import PydanticInvalidForJsonSchema

from slimtrain.config import values
from slimtrain.config.catalog import Definition, Parameter, called
from slimtrain.config.copies import MAX_COPIES

Schema: TypeAlias = dict[str, Any]
NULL: Schema = {"type": "null"}
TEXT: Schema = {"type": "string"}
PARAM: Schema = {"type": "string", "pattern": r"^\$\w+$|\$\{\w+\}|\$\("}
"""`$param` or `$(expression)`, which may stand for any value."""
_COLUMN: Schema = {"anyOf": [{"type": "array"}, {"type": "integer", "minimum": 0, "maximum": MAX_COPIES}, PARAM]}
COPIES: dict[str, Schema] = {
    "for": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": _COLUMN,
        "description": "a copy of this entry for each entry of these lists; N stands for 1 to N.",
    },
    "when": {"anyOf": [{"type": "boolean"}, PARAM], "description": "whether this entry is there."},
}
"""What an entry of a list may have besides its own keys."""


def ref(name: str) -> Schema:
    """A reference into the schema's `$defs`."""
    return {"$ref": f"#/$defs/{name}"}


def any_of(*schemas: Schema) -> Schema:
    """What fits one of the schemas; alternatives that are alternatives themselves are laid flat."""
    flat = [a for s in schemas for a in (s["anyOf"] if set(s) == {"anyOf"} else [s])]
    unique = [s for i, s in enumerate(flat) if s not in flat[:i]]
    if not unique:
        return {"not": {}}
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def mapping(properties: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    """A mapping of these keys and no others."""
    must = list(required)
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
        **({"required": must} if must else {}),
    }


def one_key(properties: Mapping[str, Schema]) -> Schema:
    """A mapping of one of these keys."""
    return {**mapping(properties), "minProperties": 1, "maxProperties": 1}


def has(key: str, schema: Schema) -> Schema:
    """A mapping that has the key, with such a value."""
    return {"type": "object", "properties": {key: schema}, "required": [key]}


def or_param(properties: Mapping[str, Schema]) -> Schema:
    """A mapping of these keys, null where it has none, or a `$param` that stands for it."""
    return {**mapping(properties), **PARAM, "type": ["object", "null", "string"]}


def named(definitions: Mapping[str, Definition]) -> list[Schema]:
    """One schema a name, with what it names."""
    return [{"const": name, "description": d.summary} for name, d in definitions.items()]


def arguments(parameters: Iterable[Parameter]) -> dict[str, Schema]:
    """`{name: schema}` of arguments, with their meaning and defaults."""
    return {p.name: described(p, value(p.annotation)) for p in parameters}


def described(parameter: Parameter, schema: Schema) -> Schema:
    """A schema with what its parameter says of it."""
    default = {} if parameter.required else {"default": written(parameter.default)}
    return {**schema, "description": parameter.doc, **default}


def written(default: Any) -> Any:
    """A default as a config would have it: a function's name, a list for a tuple."""
    if callable(default):
        return called(default)
    return [written(v) for v in default] if isinstance(default, tuple) else default


def value(annotation: Any) -> Schema:
    """JSON Schema of the values that an annotation takes, and of the params that may stand for them.

    Args:
        annotation: a plain type or a marked one, as in slimtrain.config.values.
    """
    kind = values.marker(annotation)
    if kind is None:
        schema = plain_schema(annotation)
    else:
        schema = any_of(_marked(kind), *([NULL] if values.takes_null(annotation) else []))
    return with_params(schema)


def _marked(kind: Any) -> Schema:
    if isinstance(kind, values.ComponentOf):
        return ref(kind.kind)
    if isinstance(kind, values.ComponentsOf):
        return any_of({"type": "array", "items": ref(kind.kind)}, ref(kind.kind))
    if isinstance(kind, values.NamedComponents):
        return mapping({name: ref(kind.kind) for name in kind.names})
    if isinstance(kind, values.ArgumentsOf):
        return ref("normalizer_arguments")
    return {**TEXT, "minLength": 1}


def plain_schema(annotation: Any) -> Schema:
    """pydantic's schema of a plain type, its references written out; anything goes where it has none."""
    try:
        schema = values.adapter(annotation).json_schema()
    except PydanticInvalidForJsonSchema:
        return {}
    inlined: Schema = _inlined(schema, schema.get("$defs", {}))
    return inlined


def _inlined(part: Any, defs: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(p, defs) for p in part]
    if not isinstance(part, dict):
        return part
    target = defs[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else {}
    return {k: _inlined(v, defs) for k, v in {**target, **part}.items() if k not in ("$ref", "$defs")}


def with_params(schema: Schema) -> Schema:
    """The schema with `$param` allowed for the value and for every value inside it."""
    inner = _inside(schema)
    free = not inner or "$ref" in inner or TEXT in (inner, *inner.get("anyOf", []))
    return inner if free else any_of(inner, PARAM)


def _inside(schema: Schema) -> Schema:
    changed = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            changed[key] = with_params(schema[key])
    for key, inner in (("anyOf", _inside), ("prefixItems", with_params)):
        if key in schema:
            changed[key] = [inner(s) for s in schema[key]]
    return changed
