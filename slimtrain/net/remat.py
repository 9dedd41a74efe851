"""`remat: true`: an item that the backward pass computes again instead of keeping what is inside it.

What a layer records (updates, end points) are side effects on the pass's record; inside `jax.checkpoint` they would
leak tracers. So the item runs on a record of its own, made inside the checkpointed function, and what it recorded
comes out as values.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slimtrain.lazy import Array, jax
from slimtrain.net.scope import Record, Scope


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
        kept = {name: inner.named[name] for name in inner.named.keys() - named.keys()}
        return outputs, inner.values, inner.latest, inner.end_points, kept

    outputs, values, latest, end_points, kept = jax.checkpoint(pure)(record.values, record.latest, record.named, inputs)
    _merge(record, values, latest, end_points, static)
    record.named.update(kept)
    return outputs  # type: ignore[no-any-return]


def _merge(record: Record, values: Any, latest: Any, end_points: Any, static: dict[str, Any]) -> None:
    record.values.update(values)
    record.latest.update(latest)
    record.end_points.update(end_points)
    record.updates += static["updates"]
    record.flops.update(static["flops"])
