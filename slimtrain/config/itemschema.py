"""The network's part of the JSON Schema: arg-scope declarations and the items of `layers`."""

from collections.abc import Mapping

from slimtrain.config.catalog import SCOPABLE_WORDS, WORDS, Catalog, Definition
from slimtrain.config.items import MAX_REPEATS
from slimtrain.config.scopes import scopable
from slimtrain.config.valueschema import (
    COPIES,
    NULL,
    PARAM,
    TEXT,
    Schema,
    any_of,
    arguments,
    has,
    mapping,
    named,
    one_key,
    or_param,
    ref,
    with_params,
)

_WITH: Schema = {"type": ["object", "null"], "description": "values for its params."}
_TIMES: Schema = with_params({"type": "integer", "minimum": 1, "maximum": MAX_REPEATS})


def network_schemas(catalog: Catalog) -> dict[str, Schema]:
    """`$defs` of all that stands inside `scopes`, `blocks` and `model`, but for the components.

    Args:
        catalog: the registered functions.
    """
    return {
        **_declarations(catalog),
        **_items(catalog),
        **{f"layer.{d.name}": _layer(d) for d in catalog.kind("layer").values()},
        **{f"join.{d.name}": _join(d) for d in catalog.kind("join").values()},
    }


def _declarations(catalog: Catalog) -> dict[str, Schema]:
    """Named scopes, and what may stand after `arg_scope:`."""
    function = mapping({"params": ref("params"), "arg_scope": ref("arg_scope")}, ["arg_scope"])
    names = {"type": "array", "items": {"type": ["string", "object"]}}
    entries = {"type": "array", "items": ref("arg_scope_entry")}
    return {
        "scopes": {"type": ["object", "null"], "additionalProperties": any_of(ref("arg_scope"), function)},
        "params": {
            "anyOf": [{"type": ["object", "null"]}, names],
            "description": "its params, with their defaults.",
        },
        "arg_scope": any_of(ref("arg_scope_entry"), entries, NULL),
        "arg_scope_entry": _entry(catalog),
    }


def _entry(catalog: Catalog) -> Schema:
    ops = scopable(catalog)
    listed = with_params(any_of(*named(ops)))
    chosen = [{"if": _lists(name), "then": _defaults(d)} for name, d in ops.items()]
    defaults = {
        **has("ops", {"description": "the ops whose defaults these are.", **_one_or_many(listed)}),
        **({"allOf": chosen} if chosen else {}),
    }
    use = mapping({"use": {**TEXT, "description": "a named scope."}, "with": _WITH, **COPIES}, ["use"])
    clear = {"const": True, "description": "drops every default that is active."}
    return any_of(
        {**TEXT, "description": "a named scope."}, defaults, use, mapping({"clear": clear, **COPIES}, ["clear"])
    )


def _one_or_many(schema: Schema) -> Schema:
    return any_of(schema, {"type": "array", "items": schema})


def _lists(op: str) -> Schema:
    return has("ops", {"anyOf": [{"const": op}, {"type": "array", "contains": {"const": op}}]})


def _defaults(definition: Definition) -> Schema:
    own = {n: ref(f"{definition.kind}.{definition.name}/properties/{n}") for n in definition.parameters}
    words = {n: ref(f"words/properties/{n}") for n in SCOPABLE_WORDS}
    return mapping({**own, **words, "ops": {}, **COPIES})


def _items(catalog: Catalog) -> dict[str, Schema]:
    """The items of `layers`: ops, blocks, joins, repeats, stacks, taps."""
    used = {k: s for k, s in _block_keys().items() if k != "layers"}
    return {
        "words": mapping(arguments(WORDS.values())),
        "layers": {**PARAM, "type": ["array", "null", "string"], "items": ref("item")},
        "item": _item(catalog),
        "block": mapping(_block_keys() | COPIES, ["layers"]),
        "reference": mapping(used | {"block": TEXT, "with": _WITH, **COPIES}, ["block"]),
        "blocks": {
            "type": ["object", "null"],
            "additionalProperties": mapping(_block_keys() | {"params": ref("params")}, ["layers"]),
        },
        "branch": any_of(ref("layers"), ref("item")),
    }


def _words() -> dict[str, Schema]:
    return {name: ref(f"words/properties/{name}") for name in WORDS}


def _block_keys() -> dict[str, Schema]:
    again = {"description": "how many such blocks, one after the other.", **_TIMES}
    return {"layers": ref("layers"), **_words(), "arg_scope": ref("arg_scope"), "repeat": again}


def _item(catalog: Catalog) -> Schema:
    layers, joins = catalog.kind("layer"), catalog.kind("join")
    ops = {n: ref(f"{d.kind}.{d.name}") for n, d in (*layers.items(), *joins.items())}
    forms = {"repeat": _repeat(), "stack": _stack(layers), "tap": mapping(_block_keys() | COPIES)}
    return any_of(*named(layers), PARAM, one_key({**ops, **forms}), ref("block"), ref("reference"))


def _repeat() -> Schema:
    own = {"layer": ref("item"), "repetitions": {"description": "how many layers.", **_TIMES}}
    return {"description": "Applies a layer several times.", **mapping({**own, **_group_keys()}, own)}


def _stack(layers: Mapping[str, Definition]) -> Schema:
    known = dict.fromkeys(n for d in layers.values() for n in (*d.parameters, *WORDS, *COPIES))
    told = "one entry a layer: [64, 32], [[64, 3], [32, 1]] or [{num_outputs: 64}]."
    listed = {"type": ["array", "string"], "items": {"propertyNames": {"enum": [*known]}}}
    own = {"layer": ref("item"), "stack_args": {"description": told, **listed}}
    return {
        "description": "Applies a layer once an entry of stack_args.",
        **mapping({**own, **_group_keys()}, own),
    }


def _group_keys() -> dict[str, Schema]:
    return {**_words(), "arg_scope": ref("arg_scope"), **COPIES}


def _layer(definition: Definition) -> Schema:
    own = arguments(definition.parameters.values())
    return {"description": definition.summary, **or_param({**own, **_words(), **COPIES})}


def _join(definition: Definition) -> Schema:
    own = arguments(definition.parameters.values())
    branches: dict[str, Schema] = {"branches": with_params({"type": "array", "items": ref("branch")})}
    if definition.name == "residual":
        branches = {"shortcut": ref("layers"), "layers": ref("layers")}
    return {"description": definition.summary, **mapping({**own, **branches, **_group_keys()})}
