"""Scopes and the record of one forward pass: how a layer gets its variables and returns its updates.

`Scope` is a frozen cursor that is handed in. `Record` is the only mutable thing in the network: a local of one
forward pass, made inside the traced function, so nothing survives the trace. `declare`, `init` and `apply`
(net/passes.py) make pure functions of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from slimtrain.errors import Mark, Problem
from slimtrain.lazy import Array, jax, jnp

UPDATE_OPS = "update_ops"
FROZEN = "frozen"
"""The collection of the variables that `train.freeze` names."""


@dataclass(frozen=True)
class VarSpec:
    """A variable, static: what it is called and shaped, how it starts, what is done with it.

    `statistic` is true for state that the forward pass updates (moving averages); `origin` is the layer's place in
    the config.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    initializer: Callable[..., Array]
    regularizer: Callable[..., Array] | None
    collections: tuple[str, ...]
    trainable: bool
    statistic: bool
    origin: str


@dataclass(frozen=True)
class EndPoint:
    """One named output, static: the op, the array's shape and type, what the layer holds and costs, its place."""

    name: str
    op: str
    shape: tuple[int, ...]
    dtype: str
    parameters: int
    flops: int
    line: str
    path: str
    collections: tuple[str, ...] = ()


@dataclass(frozen=True)
class Update:
    """One update op: the variables that it moves together, and the collections it stands in (none: in place)."""

    names: tuple[str, ...]
    collections: tuple[str, ...] | None
    where: str = ""
    mark: Mark | None = None


@dataclass
class Record:
    """What one forward pass reads and writes. `values` is what reads see; `latest` what updates build on and return.

    `step` is the train step that the pass belongs to, from 0, for what follows a schedule. `probes` are zeros that are
    added to outputs by path, so that gradients can be taken with respect to these.
    """

    training: bool
    values: dict[str, Array]
    fields: Mapping[str, Array]
    key: Array | None = None
    step: Array | int = 0
    applied: tuple[str, ...] = (UPDATE_OPS,)
    want: frozenset[str] | None = frozenset()
    declaring: bool = False
    latest: dict[str, Array] = field(default_factory=dict)
    specs: dict[str, VarSpec] = field(default_factory=dict)
    named: dict[str, Array] = field(default_factory=dict)
    end_points: dict[str, Array] = field(default_factory=dict)
    listed: dict[str, EndPoint] = field(default_factory=dict)
    updates: list[Update] = field(default_factory=list)
    flops: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    probes: Mapping[str, Array] = field(default_factory=dict)


class LayerError(ValueError):
    """A layer's complaint about what it got: the sentence, and the cure."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def shown(shape: Sequence[int]) -> str:
    """A batch's shape for messages: `[batch, 8, 8, 3]`."""
    return "[" + ", ".join(["batch", *map(str, shape[1:])]) + "]"


@dataclass(frozen=True)
class Rule:
    """What is done with the variables made in a scope: whether they are trained, which collections they are added to.

    A member of `collections` is a tuple of names, for every variable, or a mapping from a variable's last name to them.
    """

    trainable: bool = True
    collections: tuple[Any, ...] = ()

    def with_rule(self, inner: "Rule") -> "Rule":
        """This rule and one inside it."""
        return Rule(self.trainable and inner.trainable, (*self.collections, *inner.collections))

    def collected(self, name: str) -> list[str]:
        """The collections of the variable `name`."""
        found = (c.get(name, ()) if isinstance(c, Mapping) else c for c in self.collections)
        return [one for names in found for one in names]


@dataclass(frozen=True)
class Scope:
    """Where a layer stands in one forward pass.

    `rule` holds for the variables made here, `group` is what the enclosing blocks say of all inside them; `source`
    names the end point that the inputs come from, for messages. `frozen` names the variables that stay as they are;
    `passes` counts the batches that went before into averages of statistics that are being computed anew.
    """

    record: Record
    path: str = ""
    reuse: bool = False
    rule: Rule = Rule()
    group: Rule = Rule()
    source: str = ""
    mark: Mark | None = None
    op: str = ""
    frozen: frozenset[str] = frozenset()
    passes: Array | None = None

    @property
    def training(self) -> bool:
        """Whether this pass trains: what `is_training` follows where no layer pins it."""
        return self.record.training

    @property
    def step(self) -> Array | int:
        """The train step that this pass belongs to, from 0."""
        return self.record.step

    def freezes(self, *names: str) -> bool:
        """Whether any of these variables of this scope is to stay as it is."""
        return any(f"{self.path}/{name}" in self.frozen for name in names)

    def child(self, name: str, **changes: Any) -> "Scope":
        """The scope `name` inside this one."""
        return replace(self, path=f"{self.path}/{name}" if self.path else name, **changes)

    def variable(
        self,
        name: str,
        shape: Sequence[int],
        initializer: Callable[..., Array],
        *,
        regularizer: Callable[..., Array] | None = None,
        trainable: bool = True,
        statistic: bool = False,
    ) -> Array:
        """The variable `name` of this scope, float32 of `shape`; made when declaring, read when applying.

        Raises:
            LayerError: the name is taken without reuse, is missing with it, or has another shape.
        """
        full = f"{self.path}/{name}" if self.path else name
        if self.record.declaring:
            spec = self._spec(full, name, tuple(shape), initializer, regularizer, trainable, statistic)
            self._declare(spec)
            return self.record.values.setdefault(full, jnp.zeros(shape, jnp.float32))
        return self.record.values[full]

    def _spec(
        self,
        full: str,
        name: str,
        shape: tuple[int, ...],
        initializer: Callable[..., Array],
        regularizer: Callable[..., Array] | None,
        trainable: bool,
        statistic: bool,
    ) -> VarSpec:
        frozen = full in self.frozen
        trained = trainable and self.rule.trainable and not statistic and not frozen
        standard = ["model_variables", *["trainable_variables"] * trained, *[FROZEN] * frozen]
        collections = tuple(dict.fromkeys((*standard, *self.rule.collected(name))))
        origin = str(self.mark) if self.mark else ""
        return VarSpec(full, shape, "float32", initializer, regularizer, collections, trained, statistic, origin)

    def _declare(self, spec: VarSpec) -> None:
        known = self.record.specs.get(spec.name)
        if known is None and self.reuse:
            raise LayerError(f"reuse of '{spec.name}', which no earlier layer made", "drop 'reuse' or fix the scope")
        if known is not None and not self.reuse:
            hint = "add 'reuse: true' to share it, or give the layer another scope"
            raise LayerError(f"variable '{spec.name}' was made at {known.origin}", hint)
        if known is not None and known.shape != spec.shape:
            made = f"it was made with shape {list(known.shape)} at {known.origin}"
            raise LayerError(
                f"shares '{spec.name}' with shape {list(spec.shape)}, but {made}", "share equal shapes only"
            )
        self.record.specs.setdefault(spec.name, spec)

    def latest(self, name: str) -> Array:
        """A statistic as the last update of this pass left it: what a further update builds on."""
        full = f"{self.path}/{name}"
        return self.record.latest.get(full, self.record.values[full])

    def update(self, values: Mapping[str, Array], collections: tuple[str, ...] | None) -> None:
        """One update op: new values for statistics of this scope.

        An op in collections takes effect when a training pass is over, if the train step applies one of them; with
        None it is in place, and what reads the statistic later in this pass sees the new value.
        """
        named = {f"{self.path}/{name}": jax.lax.stop_gradient(value) for name, value in values.items()}
        self.record.updates.append(Update(tuple(named), collections, f"{self.op} '{self.path}'", self.mark))
        if collections is None or (self.training and set(collections) & set(self.record.applied)):
            self.record.latest.update(named)
        if collections is None:
            self.record.values.update(named)

    def key(self) -> Array:
        """A random key for this scope, the same for the same step and path; another one for each further use."""
        if self.record.key is None:
            raise LayerError("draws random numbers, but this pass was given no key")
        uses = self.record.keys.get(self.path, 0)
        self.record.keys[self.path] = uses + 1
        return jax.random.fold_in(jax.random.fold_in(self.record.key, crc32(self.path.encode())), uses)

    def field(self, name: str, batch: int) -> Array:
        """A field of the batch by name; zeros [batch] while declaring without data."""
        if name in self.record.fields:
            return self.record.fields[name]
        if self.record.declaring:
            return jnp.zeros((batch,), jnp.float32)
        raise LayerError(
            f"reads the field '{name}', which the data does not have", f"fields are {list(self.record.fields)}"
        )

    def cost(self, flops: int) -> None:
        """Adds to the layer's floating-point operations (two a multiply-add), for the whole batch."""
        self.record.flops[self.path] = self.record.flops.get(self.path, 0) + flops

    def warn(self, what: str, hint: str = "") -> None:
        """A remark on the layer that does not stop anything; shown once, with its line."""
        where = f"{self.op} '{self.path}'"
        self.record.warnings.append(Problem(where, what, hint, self.mark, "warning"))

    def probed(self, path: str, value: Array) -> Array:
        """An output, with the probe of its path added where this pass has one of its shape."""
        probe = self.record.probes.get(path)
        if probe is None or (probe.shape, probe.dtype) != (value.shape, value.dtype):
            return value
        return value + probe

    def end_point(self, name: str, op: str, value: Array, collections: tuple[str, ...] = (), path: str = "") -> None:
        """Lists an output under a full name; the array itself is kept where this pass wants it."""
        record = self.record
        record.named[name] = value
        if record.want is None or name in record.want:
            record.end_points[name] = value
        if record.declaring:
            line = self.mark.short if self.mark else ""
            record.listed[name] = EndPoint(
                name, op, tuple(value.shape), str(value.dtype), 0, 0, line, path or name, tuple(collections)
            )
