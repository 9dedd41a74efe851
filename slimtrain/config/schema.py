"""JSON Schema of a config, for editors, made from the registered functions and the sections alone.

It describes the text of one file. What needs more (end points, params, what an arg scope gives) is the
reader's.
"""

from collections.abc import Iterable, Mapping

from slimtrain.config.arguments import extra_words
from slimtrain.config.catalog import Catalog, Definition, Parameter
from slimtrain.config.itemschema import network_schemas
from slimtrain.config.sections import DATA, INPUT, MODEL, TF_SLIM_KEYS, TOP, TRAIN
from slimtrain.config.valueschema import (
    COPIES,
    NULL,
    PARAM,
    Schema,
    any_of,
    arguments,
    described,
    has,
    mapping,
    named,
    one_key,
    or_param,
    ref,
    value,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_COMPONENTS = (
    "activation",
    "initializer",
    "regularizer",
    "normalizer",
    "loss",
    "metric",
    "optimizer",
    "schedule",
    "preprocess",
)
_LISTED = ("loss", "metric", "preprocess")


def json_schema(catalog: Catalog) -> Schema:
    """JSON Schema (draft 2020-12) of a config.

    Args:
        catalog: the registered functions.

    Returns:
        The schema, plain JSON values. Arguments that an arg scope may give are not required.
    """
    sections = {name: ref(name) for name in ("data", "scopes", "blocks", "model", "train")}
    return {
        "$schema": DIALECT,
        "title": "slimtrain config",
        **_section(TOP, sections),
        "type": "object",
        **_SOURCE_NEEDED,
        "$defs": _definitions(catalog),
    }


# A file over another may change `data` without naming its source again.
_SOURCE_NEEDED: Schema = {
    "if": {"not": {"required": ["extends"]}},
    "then": {"properties": {"data": {"anyOf": [{"maxProperties": 0}, {"required": ["source"]}]}}},
}


def _definitions(catalog: Catalog) -> dict[str, Schema]:
    return {
        **_sections(catalog),
        **network_schemas(catalog),
        **{kind: _one_of_kind(catalog, kind) for kind in _COMPONENTS},
        **{f"{k}.{d.name}": _component(d, k) for k in _COMPONENTS for d in catalog.kind(k).values()},
        "normalizer_arguments": _normalizer_arguments(catalog),
        **{f"source.{d.name}": _source(d) for d in catalog.kind("source").values()},
    }


def _normalizer_arguments(catalog: Catalog) -> Schema:
    """What `normalizer_params` may hold: arguments of one of the normalizers."""
    return any_of(*(ref(f"normalizer.{d.name}") for d in catalog.kind("normalizer").values()), or_param({}))


def _section(definition: Definition, special: Mapping[str, Schema]) -> Schema:
    """A section's mapping; `special` has the keys whose values say more than their annotation."""
    plain = arguments(p for p in definition.parameters.values() if p.name not in special)
    told = {n: described(definition.parameters[n], s) for n, s in special.items()}
    properties = {name: {**plain, **told}[name] for name in definition.parameters}
    return {"description": definition.summary, **mapping(properties), "type": ["object", "null"]}


def _sections(catalog: Catalog) -> dict[str, Schema]:
    model = {"input": ref("input"), "arg_scope": ref("arg_scope"), "layers": ref("layers")}
    return {
        "data": _data(catalog.kind("source")),
        "model": _section(MODEL, model),
        "input": _section(INPUT, {}),
        "train": _train(),
    }


def _train() -> Schema:
    """The section `train`, with TF-Slim's names of some of its keys."""
    section = _section(TRAIN, {})
    own = section["properties"]
    also = {name: {**own[key], "description": f"TF-Slim's name of {key}."} for name, key in TF_SLIM_KEYS.items()}
    return {**section, "properties": {**own, **also}}


def _data(sources: Mapping[str, Definition]) -> Schema:
    section = _section(DATA, {"source": any_of(*named(sources))})
    own: dict[str, Schema] = {}
    for source in sources.values():
        for name, schema in arguments(source.parameters.values()).items():
            own[name] = any_of(own.get(name, schema), schema)
    chosen = [{"if": has("source", {"const": name}), "then": ref(f"source.{d.name}")} for name, d in sources.items()]
    return {
        **section,
        "properties": {**own, **section["properties"]},
        **({"allOf": chosen} if chosen else {}),
    }


def _source(definition: Definition) -> Schema:
    parameters = definition.parameters.values()
    shared = {name: ref(f"data/properties/{name}") for name in DATA.parameters}
    keys = {**arguments(parameters), **shared}
    return {"description": definition.summary, **mapping(keys, _required(parameters))}


def _required(parameters: Iterable[Parameter]) -> list[str]:
    return [p.name for p in parameters if p.required]


def _component(definition: Definition, kind: str) -> Schema:
    """What may stand after `name:` where a component is wanted: its arguments, or its main one alone."""
    parameters = {**definition.parameters, **extra_words(kind, definition)}
    required = [] if kind == "normalizer" else _required(parameters.values())
    copies = COPIES if kind in _LISTED else {}
    forms = [mapping({**arguments(parameters.values()), **copies}, required)]
    main = definition.description.main
    if main and set(required) <= {main}:
        forms.append(_not_a_mapping(value(parameters[main].annotation)))
    return {"description": definition.summary, **any_of(*forms, *([] if required else [NULL]), PARAM)}


def _not_a_mapping(schema: Schema) -> Schema:
    """The schema without its mappings, which are read as arguments where a lone value may stand."""
    components = any("$ref" in form for form in schema.get("anyOf", [schema]))
    return {"allOf": [schema, {"not": {"type": "object"}}]} if components else schema


def _one_of_kind(catalog: Catalog, kind: str) -> Schema:
    """A component of a kind: its name, or `{name: ...}`; a schedule may be a number too."""
    known = catalog.kind(kind)
    bare = {n: d for n, d in known.items() if kind == "normalizer" or not _required(d.parameters.values())}
    boxed = one_key({name: ref(f"{kind}.{d.name}") for name, d in known.items()})
    number = [{"type": "number"}] if kind == "schedule" else []
    return any_of(*number, *named(bare), boxed, PARAM)
