"""From a Plan to `forward(scope, inputs)`: one walk over its items, names and end points as they come."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from slimtrain.config.catalog import Catalog, normalizer_scope
from slimtrain.config.names import under
from slimtrain.config.records import Argument, Component, GroupPlan, Item, LayerPlan, Plan, Words
from slimtrain.errors import ConfigError, Problem
from slimtrain.lazy import Array, jax
from slimtrain.net.remat import rematerialized
from slimtrain.net.scope import LayerError, Rule, Scope, shown

Forward = Callable[[Scope, Array], Array]


def forward(plan: Plan, catalog: Catalog) -> Forward:
    """The plan's network as a function of a scope and a batch of inputs; its output is also named `__output__`."""

    def run(scope: Scope, inputs: Array) -> Array:
        outputs = _items(scope, plan.items, inputs, catalog)
        scope.end_point("__output__", "output", outputs)
        return outputs

    return run


def _items(scope: Scope, items: tuple[Item, ...], inputs: Array, catalog: Catalog) -> Array:
    for item in items:
        outputs = _item(scope, item, inputs, catalog)
        if not (isinstance(item, GroupPlan) and item.kind == "tap"):
            inputs, scope = outputs, replace(scope, source=f"'{item.path or 'block'}' ({item.mark.short})")
    return inputs


def _item(scope: Scope, item: Item, inputs: Array, catalog: Catalog) -> Array:
    if len(item.words.inputs) == 1:
        name = item.words.inputs[0]
        inputs, scope = scope.record.named[name], replace(scope, source=f"'{name}'")
    inner = _inside(scope, item)
    run = partial(_run, item=item, catalog=catalog)
    outputs = rematerialized(inner, run, inputs) if item.words.remat else run(inner, inputs)
    if isinstance(item, LayerPlan) or item.listed:
        outputs = inner.probed(item.path, outputs)
        _name(inner, item.path, _op_of(item), outputs, item.words)
    return outputs


def _run(scope: Scope, inputs: Array, *, item: Item, catalog: Catalog) -> Array:
    if isinstance(item, LayerPlan):
        return _layer(scope, inputs, item=item, catalog=catalog)
    return _group(scope, inputs, item=item, catalog=catalog)


def _inside(scope: Scope, item: Item) -> Scope:
    """The scope that an item's variables are made in; what a group says of variables reaches all that is inside it."""
    words = item.words
    own = Rule(words.trainable, (words.variables_collections,) if words.variables_collections else ())
    group = scope.group if isinstance(item, LayerPlan) else scope.group.with_rule(own)
    return replace(
        scope,
        path=item.path or scope.path,
        reuse=scope.reuse or words.reuse,
        rule=group.with_rule(own) if isinstance(item, LayerPlan) else group,
        group=group,
        mark=item.mark,
        op=_op_of(item),
    )


def _layer(scope: Scope, inputs: Array, *, item: LayerPlan, catalog: Catalog) -> Array:
    function = catalog.kind("layer")[item.op.name].function
    arguments = bind_all(catalog, item.op.arguments)
    scope.record.inputs[item.path] = (tuple(inputs.shape), str(inputs.dtype))
    try:
        with jax.named_scope(item.path):
            outputs: Array = function(scope, inputs, **arguments)
            return outputs
    except LayerError as error:
        raise _told(item, error.what, error.hint) from None
    except (ValueError, TypeError) as error:
        first = str(error).split("\n", 1)[0]
        came = f" from {scope.source}" if scope.source else ""
        raise _told(item, f"cannot be computed for inputs {shown(inputs.shape)}{came}: {first}", "") from error


def _op_of(item: Item) -> str:
    """What an item is called: its op, its join, or its kind of group."""
    if isinstance(item, LayerPlan):
        return item.op.name
    return item.join.name if item.join else item.kind


def _told(item: Item, what: str, hint: str) -> ConfigError:
    op = _op_of(item)
    return ConfigError(Problem(f"{op} '{item.path}'" if item.path else op, what, hint, item.mark))


def _group(scope: Scope, inputs: Array, *, item: GroupPlan, catalog: Catalog) -> Array:
    if item.join is None:
        return _items(scope, item.branches[0] if len(item.branches) == 1 else _flat(item), inputs, catalog)
    branches = [_items(scope, branch, inputs, catalog) for branch in item.branches]
    if not branches:
        branches = [scope.record.named[name] for name in item.words.inputs]
    function = catalog.kind("join")[item.join.name].function
    try:
        outputs: Array = function(branches, **bind_all(catalog, item.join.arguments))
        return outputs
    except LayerError as error:
        raise _told(item, error.what, error.hint) from None


def _flat(item: GroupPlan) -> tuple[Item, ...]:
    return tuple(i for branch in item.branches for i in branch)


def _name(scope: Scope, path: str, op: str, outputs: Array, words: Words) -> None:
    for name in (path, *words.alias):
        if name:
            scope.end_point(name, op, outputs, words.outputs_collections, path or name)


def bind_all(catalog: Catalog, arguments: Mapping[str, Argument]) -> dict[str, Any]:
    """Arguments by name, components bound to their functions."""
    return {name: bind(catalog, argument.value) for name, argument in arguments.items()}


def bind(catalog: Catalog, value: Any) -> Any:
    """A component as a function of what slimtrain hands it; mappings and lists of them likewise; the rest as it is."""
    if isinstance(value, dict):
        return {name: bind(catalog, inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(bind(catalog, inner) for inner in value)
    if not isinstance(value, Component):
        return value
    if value.kind == "layer":
        return partial(_normalize, normalizer=value, catalog=catalog)
    if value.kind == "regularizer" and _adds_nothing(value):
        return None
    function = catalog.kind(value.kind)[value.name].function
    return partial(function, **bind_all(catalog, value.arguments))


def _adds_nothing(regularizer: Component) -> bool:
    """Whether every scale is 0, a sum's those of its regularizers: TF-Slim makes no term of it."""
    values = [a.value for a in regularizer.arguments.values()]
    return not any(not all(map(_adds_nothing, v)) if isinstance(v, tuple) else v for v in values)


def _normalize(scope: Scope, inputs: Array, *, normalizer: Component, catalog: Catalog, **more: Any) -> Array:
    """Runs a normalizer inside a layer, in a scope of its own; its output is an end point too."""
    definition = catalog.kind("layer")[normalizer.name]
    arguments = {**bind_all(catalog, normalizer.arguments), **more}
    word = {name: arguments.pop(name, None) for name in ("scope", "trainable", "variables_collections")}
    listed = arguments.pop("outputs_collections", None) or ()
    own = Rule(word["trainable"] is not False, tuple(filter(None, [word["variables_collections"]])))
    path = under(scope.path, normalizer_scope(catalog, normalizer.name, word["scope"]))
    inner = replace(scope, path=path, rule=scope.group.with_rule(own), op=normalizer.name)
    with jax.named_scope(inner.path.rpartition("/")[2]):
        outputs = inner.probed(path, definition.function(inner, inputs, **arguments))
    inner.end_point(inner.path, normalizer.name, outputs, listed)
    return outputs
