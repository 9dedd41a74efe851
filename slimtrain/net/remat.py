"""`remat: true`: an item that the backward pass computes again instead of keeping what is inside it.

What a layer records (updates, end points) are side effects on the pass's record; inside `jax.checkpoint` they would
leak tracers. So the item runs on a record of its own, made inside the checkpointed function, and what it recorded
comes out as values.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slimtrain.lazy import Array, jax
from slimtrain.net.scope import Scope


def rematerialized(scope: Scope, run: Callable[[Scope, Array], Array], inputs: Array) -> Array:
    """Runs `run(scope, inputs)` under `jax.checkpoint`; only end points that the pass wants leave it."""
    record = scope.record
    if record.declaring:
        return run(scope, inputs)
    static: dict[str, Any] = {}

    def pure(values: dict[str, Array], latest: dict[str, Array], named: dict[str, Array], inputs: Array) -> Any:
        inner = replace(
            record, values=dict(values), latest=dict(latest), named=dict(named), end_points={}, updates=[], flops={}
        )
        outputs = run(replace(scope, record=inner), inputs)
        static["updates"], static["flops"] = inner.updates, inner.flops
        changes = _changed(inner.values, values), _changed(inner.latest, latest), _changed(inner.named, named)
        return outputs, changes, inner.end_points

    outputs, changes, end_points = jax.checkpoint(pure)(record.values, record.latest, record.named, inputs)
    for known, changed in zip((record.values, record.latest, record.named), changes, strict=True):
        known.update(changed)
    record.end_points.update(end_points)
    record.updates += static["updates"]
    record.flops.update(static["flops"])
    return outputs  # type: ignore[no-any-return]


def _changed(new: dict[str, Array], old: dict[str, Array]) -> dict[str, Array]:
    return {name: value for name, value in new.items() if value is not old.get(name)}
