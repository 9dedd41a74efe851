"""The pure functions that come from a network: `declare`, `init`, `apply`, and the loss of its regularizers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from zlib import crc32

from slimtrain.errors import Problem
from slimtrain.lazy import Array, jax, jnp
from slimtrain.net.graph import Forward
from slimtrain.net.scope import UPDATE_OPS, EndPoint, Record, Scope, Update, VarSpec

Arrays = dict[str, Array]


@dataclass(frozen=True)
class Declaration:
    """What abstract evaluation tells of a network, without data or weights. Shapes carry the batch it was given."""

    specs: Mapping[str, VarSpec]
    end_points: tuple[EndPoint, ...]
    updates: tuple[Update, ...]
    inputs: Mapping[str, tuple[tuple[int, ...], str]]
    output_shape: tuple[int, ...]
    flops: int
    warnings: tuple[Problem, ...]


def declare(
    forward: Forward, shape: tuple[int, ...], dtype: str = "float32", *, scope: str = "", fields: Iterable[str] = ()
) -> Declaration:
    """Evaluates a network abstractly, in training mode.

    Args:
        forward: the network.
        shape: of a batch of inputs, batch first.
        dtype: of the inputs.
        scope: the root variable scope.

    Raises:
        ConfigError: a layer that can't take what it gets, with its line.
    """
    found: dict[str, Record] = {}

    def run(inputs: Array) -> Array:
        record = Record(True, {}, {}, jax.random.key(0), want=None, declaring=True)
        outputs = forward(Scope(record, scope), inputs)
        record.end_points = {}
        found["record"] = record
        return outputs

    output = jax.eval_shape(run, jax.ShapeDtypeStruct(shape, dtype))  # type: ignore[no-untyped-call]
    record = found["record"]
    parameters = _sums((s.name.rpartition("/")[0], prod(s.shape)) for s in record.specs.values())
    flops = _sums(record.flops.items())
    return Declaration(
        specs=dict(record.specs),
        end_points=tuple(_counted(e, parameters, flops) for e in record.listed.values()),
        updates=tuple(record.updates),
        inputs=dict(record.inputs),
        output_shape=tuple(output.shape),
        flops=sum(record.flops.values()),
        warnings=tuple(record.warnings),
    )


def _sums(numbers: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The sum over each path of the numbers that stand at it and below it."""
    found: dict[str, int] = {}
    for path, number in numbers:
        while path:
            found[path] = found.get(path, 0) + number
            path = path.rpartition("/")[0]
    return found


def _counted(end_point: EndPoint, parameters: Mapping[str, int], flops: Mapping[str, int]) -> EndPoint:
    """An end point with the parameters and operations of all that stands under its path."""
    if end_point.name == "__output__":
        return end_point
    path = end_point.path
    return replace(end_point, parameters=parameters.get(path, 0), flops=flops.get(path, 0))


def init(specs: Mapping[str, VarSpec], key: Array) -> tuple[Arrays, Arrays]:
    """(parameters, statistics) at the start, by name. A variable's key depends on its own name only."""
    return split(specs, jax.jit(partial(drawn, specs))(key))


def drawn(specs: Mapping[str, VarSpec], key: Array) -> Arrays:
    """The variables at the start, by name, to be compiled with what follows."""
    return {name: _start(spec, key) for name, spec in specs.items()}


def _start(spec: VarSpec, key: Array) -> Array:
    own = jax.random.fold_in(key, crc32(spec.name.encode()))
    return spec.initializer(own, spec.shape, jnp.dtype(spec.dtype))


def split(specs: Mapping[str, VarSpec], values: Mapping[str, Array]) -> tuple[Arrays, Arrays]:
    """Variables by name as (parameters, statistics)."""
    parameters = {n: values[n] for n, spec in specs.items() if not spec.statistic}
    return parameters, {n: values[n] for n, spec in specs.items() if spec.statistic}


def apply(
    forward: Forward,
    parameters: Mapping[str, Array],
    statistics: Mapping[str, Array],
    inputs: Mapping[str, Array],
    *,
    training: bool,
    key: Array | None = None,
    want: Iterable[str] | None = (),
    update_ops: tuple[str, ...] = (UPDATE_OPS,),
    scope: str = "",
    step: Array | int = 0,
    field: str = "image",
) -> tuple[Array, Arrays, Arrays]:
    """One pass, pure: (output, new statistics, end points).

    Args:
        forward: the network.
        parameters: variables that the pass only reads.
        statistics: variables that it updates in training mode.
        inputs: the batch's fields; `field` goes into the network, others are there for layers that name them.
        training: whether layers that nothing pins train.
        key: random key, for networks with dropout.
        want: end points to return; None for all. What is returned stays in memory.
        update_ops: collections whose updates take effect.
        scope: the root variable scope.
        step: the train step that the pass belongs to, from 0.
        field: the field that goes in.
    """
    wanted = None if want is None else frozenset(want)
    record = Record(training, {**parameters, **statistics}, inputs, key, step, update_ops, wanted)
    output = forward(Scope(record, scope), inputs[field])
    return output, {**statistics, **record.latest}, record.end_points


def regularization(specs: Mapping[str, VarSpec], values: Mapping[str, Array]) -> Array:
    """The sum of the collection `regularization_losses`: each regularized variable once, however often it is shared."""
    return sum(regularization_terms(specs, values).values(), start=jnp.float32(0.0))


def regularization_terms(specs: Mapping[str, VarSpec], values: Mapping[str, Array]) -> Arrays:
    """The collection `regularization_losses`, by variable."""
    return {name: function(values[name]) for name, function in regularized(specs).items()}


def regularized(specs: Mapping[str, VarSpec]) -> dict[str, Callable[..., Array]]:
    """The regularizers by variable."""
    return {name: spec.regularizer for name, spec in specs.items() if spec.regularizer}
