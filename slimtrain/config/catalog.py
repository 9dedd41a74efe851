"""Registered functions: decorators that only describe, and the catalog of what they described.

A registered function's positional parameters are what slimtrain hands it; its keyword-only parameters are
its arguments in a config, with their names, types, defaults and (from the docstring's `Args:`) their
meaning. Nothing else has to be said of it.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, TypeVar

from slimtrain.config.values import Collections, FieldName, Names, NonNegative, Numbers, ScopeName, marker
from slimtrain.errors import ConfigError, Problem

F = TypeVar("F", bound=Callable[..., Any])
MISSING = inspect.Parameter.empty
KINDS = (
    "layer",
    "join",
    "activation",
    "initializer",
    "regularizer",
    "loss",
    "metric",
    "optimizer",
    "schedule",
    "source",
    "preprocess",
)


@dataclass(frozen=True)
class Description:
    """What a decorator says of a function: its kind and what its signature can't tell."""

    kind: str
    scope: str = ""
    alias: str = ""
    main: str = ""
    normalizer: bool = False
    like: Callable[..., Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def called(function: Callable[..., Any]) -> str:
    """The name that configs use for a function."""
    return function.__name__.rstrip("_")


@dataclass(frozen=True)
class Parameter:
    """One argument of a registered function; `default` is MISSING where it must be given."""

    name: str
    annotation: Any
    default: Any
    doc: str

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def written(self) -> Any:
        """The default as a config would name it: a function by its name."""
        return called(self.default) if callable(self.default) else self.default

    @cached_property
    def marker(self) -> Any:
        """What kind of value it takes, if not a plain one: see `values.marker`."""
        return marker(self.annotation)


@dataclass(frozen=True)
class Definition:
    """A registered function with its arguments; `given` names what slimtrain hands it, `logits` say."""

    name: str
    kind: str
    function: Callable[..., Any]
    parameters: Mapping[str, Parameter]
    given: tuple[str, ...]
    summary: str
    doc: str
    description: Description

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


def _describe(description: Description) -> Callable[[F], F]:
    def mark(function: F) -> F:
        function.__slimtrain__ = description  # type: ignore[attr-defined]
        return function

    return mark


def layer(
    *, scope: str, alias: str = "", normalizer: bool = False, like: Callable[..., Any] | None = None
) -> Callable[[F], F]:
    """Describes `f(scope, inputs, *, ...)`.

    Args:
        scope: TF-Slim's default scope.
        alias: the function's long name there.
        normalizer: whether it may stand in `normalizer_fn`.
        like: a layer whose docstring tells what the arguments mean that the own one leaves out.
    """
    return _describe(Description("layer", scope=scope, alias=alias, normalizer=normalizer, like=like))


def join() -> Callable[[F], F]:
    """Describes `f(branches, *, ...)`, which makes one array of several."""
    return _describe(Description("join"))


def activation() -> Callable[[F], F]:
    """Describes `f(inputs, *, ...)`, elementwise."""
    return _describe(Description("activation"))


def initializer(*, main: str = "") -> Callable[[F], F]:
    """Describes `f(key, shape, dtype, *, ...)`. `main`: the argument that `{name: scalar}` sets."""
    return _describe(Description("initializer", main=main))


def regularizer(*, main: str = "") -> Callable[[F], F]:
    """Describes `f(weights, *, ...) -> scalar`."""
    return _describe(Description("regularizer", main=main))


def loss(*, reduction: str = "mean") -> Callable[[F], F]:
    """Describes `f(logits, labels, *, ...)`, one value an example (or element), not reduced.

    A loss of pairs within the batch is `f(embeddings, labels, mask, *, ...)` and returns one number for the batch; the
    examples whose `mask` is 0 are not in it.

    Args:
        reduction: what becomes of values that are not reduced: their `mean` or their `sum`.
    """
    return _describe(Description("loss", facts={"reduction": reduction}))


def metric(
    *,
    main: str = "",
    better: str | None = "max",
    result: Callable[..., Any] | None = None,
    like: Callable[..., Any] | None = None,
) -> Callable[[F], F]:
    """Describes `f(logits, labels, *, ...)`, one value an example, of which the mean is reported.

    With `result` the values are contributions [batch, ...] instead, counts say. They are summed over all examples, and
    `result(sums, *, ...)` makes of the sums what is reported. It runs on the host, in float64.

    Args:
        main: the argument that `{name: scalar}` sets.
        better: `max` or `min`; None for a metric that can't judge checkpoints.
        result: takes a `train.objective.Sum` of numpy arrays, and those of the metric's arguments that it names.
        like: a metric whose docstring tells what the arguments mean that the own one leaves out.
    """
    return _describe(Description("metric", main=main, like=like, facts={"better": better, "result": result}))


def optimizer(*, main: str = "learning_rate") -> Callable[[F], F]:
    """Describes `f(*, ...) -> optax.GradientTransformation`."""
    return _describe(Description("optimizer", main=main))


def schedule(*, main: str = "") -> Callable[[F], F]:
    """Describes `f(step, *, ...) -> learning rate`."""
    return _describe(Description("schedule", main=main))


def source(
    *, shape: tuple[int, ...] | None = None, classes: int | None = None, examples: int | None = None
) -> Callable[[F], F]:
    """Describes `f(*, ...) -> Dataset`. `shape` of one, `classes`, `examples` to train: if known without files."""
    return _describe(Description("source", facts={"shape": shape, "classes": classes, "examples": examples}))


def preprocess(*, main: str = "", pointwise: bool = False) -> Callable[[F], F]:
    """Describes `f(images, *, ...)`: a batch of images to a batch of images.

    Args:
        main: its main argument.
        pointwise: each value depends on the one in its place and on its channel alone.
    """
    return _describe(Description("preprocess", main=main, facts={"pointwise": pointwise}))


def define(function: Callable[..., Any]) -> Definition:
    """Reads a described function's definition off its signature and docstring."""
    description: Description = function.__slimtrain__  # type: ignore[attr-defined]
    doc = inspect.getdoc(function) or ""
    docs = {**_docs_of(description.like), **argument_docs(doc)}
    signature = inspect.signature(function, eval_str=True).parameters.values()
    named = [p for p in signature if p.kind is p.KEYWORD_ONLY]
    return Definition(
        name=called(function),
        kind=description.kind,
        function=function,
        parameters={p.name: Parameter(p.name, p.annotation, p.default, docs.get(p.name, "")) for p in named},
        given=tuple(p.name for p in signature if p.kind is p.POSITIONAL_OR_KEYWORD),
        summary=doc.split("\n", 1)[0],
        doc=doc,
        description=description,
    )


def _docs_of(function: Callable[..., Any] | None) -> dict[str, str]:
    return argument_docs(inspect.getdoc(function) or "") if function else {}


def argument_docs(doc: str) -> dict[str, str]:
    """`{name: text}` from the `Args:` section of a docstring."""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", doc, re.M)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1], re.M) if section else []
    return {name: re.sub(r"\s+", " ", text).strip() for name, text in entries}


def words(
    *,
    scope: ScopeName | None = None,
    default_scope: ScopeName | None = None,
    reuse: bool = False,
    inputs: Names | None = None,
    alias: Names = (),
    outputs_collections: Names | None = None,
    variables_collections: Collections | None = None,
    trainable: bool = True,
    remat: bool = False,
) -> None:
    """The words that every item takes besides its op's own arguments.

    Args:
        scope: name of the item under the enclosing scope; the op's default name, made unique, where omitted.
        default_scope: name to take where `scope` is omitted, made unique: `NAME`, `NAME_1`, ...
        reuse: take the variables of the earlier item of the same scope.
        inputs: end point, or list of them, to take instead of the previous item's output; earlier ones only.
        alias: further end-point name or names for the output.
        outputs_collections: collection or collections that the output is added to.
        variables_collections: collections that the item's variables are added to: names, or a mapping from
            `weights`, `biases`, ... to names.
        trainable: whether the item's variables are trained.
        remat: compute the item again in the backward pass instead of keeping what is inside it.
    """


def loss_words(*, weight: NonNegative = 1.0, class_weights: Numbers | None = None) -> None:
    """The words that every loss takes besides its own arguments.

    Args:
        weight: factor on the loss.
        class_weights: one factor a class, by integer label (or the largest of a one-hot label).
    """


def metric_words(*, weights: FieldName | None = None) -> None:
    """The words that every metric takes besides its own arguments.

    Args:
        weights: field of the data with each example's weight; all weigh the same where omitted.
    """


metric_words.__slimtrain__ = Description("words")  # type: ignore[attr-defined]
METRIC_WORDS: Mapping[str, Parameter] = define(metric_words).parameters
loss_words.__slimtrain__ = Description("words")  # type: ignore[attr-defined]
LOSS_WORDS: Mapping[str, Parameter] = define(loss_words).parameters
words.__slimtrain__ = Description("words")  # type: ignore[attr-defined]
WORDS: Mapping[str, Parameter] = define(words).parameters
SCOPABLE_WORDS = ("outputs_collections", "variables_collections", "trainable", "remat")


@dataclass(frozen=True)
class Catalog:
    """All registered functions, by kind and name. A value: made once, handed on."""

    definitions: Mapping[str, Mapping[str, Definition]]

    @staticmethod
    def of(modules: Iterable[ModuleType]) -> "Catalog":
        """The functions that the modules describe; raises ConfigError where two claim one name."""
        found: dict[str, dict[str, Definition]] = {kind: {} for kind in KINDS}
        for function in _described(modules):
            definition = define(function)
            for name in filter(None, (definition.name, definition.description.alias)):
                known = found[definition.kind].setdefault(name, definition)
                if known.function is not function:
                    raise ConfigError(_clash(known, definition))
        return Catalog(found)

    def kind(self, kind: str) -> Mapping[str, Definition]:
        """Definitions of one kind by name; `normalizer` are the layers that may stand in `normalizer_fn`."""
        if kind == "normalizer":
            return {n: d for n, d in self.definitions["layer"].items() if d.description.normalizer}
        return self.definitions[kind]


def normalizer_scope(catalog: Catalog, name: str, explicit: str | None) -> str:
    """The scope that a normalizer opens inside its layer: the one it is given, or its default."""
    return explicit or catalog.kind("layer")[name].description.scope


def _described(modules: Iterable[ModuleType]) -> Iterable[Callable[..., Any]]:
    for module in modules:
        for value in list(vars(module).values()):
            if callable(value) and hasattr(value, "__slimtrain__"):
                yield value


def _clash(known: Definition, new: Definition) -> Problem:
    return Problem(
        new.title,
        f"defined twice, in {known.function.__module__} and {new.function.__module__}",
        "rename one of them",
    )


def plugin_modules(names: Iterable[str]) -> list[ModuleType]:
    """The modules named by `--plugin` and by installed `slimtrain.layers` entry points."""
    installed = [_loaded("plug-in", e.value, e.load) for e in entry_points(group="slimtrain.layers")]
    return [*installed, *(_loaded("--plugin", name, partial(import_module, name)) for name in names)]


def _loaded(where: str, name: str, load: Callable[[], ModuleType]) -> ModuleType:
    try:
        return load()
    except Exception as error:
        told = error if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise ConfigError(Problem(where, f"cannot import '{name}': {told}")) from error
