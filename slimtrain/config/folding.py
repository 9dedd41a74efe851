"""A config without the batch norms that the weights and biases of their layers can take in: for evaluation only."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from slimtrain.config.arguments import READS
from slimtrain.config.catalog import Catalog, normalizer_scope
from slimtrain.config.document import Document
from slimtrain.config.names import under
from slimtrain.config.records import Argument, Component, GroupPlan, Item, LayerPlan, Origin
from slimtrain.config.sections import Train


@dataclass(frozen=True)
class Fold:
    """A batch norm that a layer takes in.

    Attributes:
        layer: the layer's scope.
        norm: the batch norm's scope.
        epsilon: the batch norm's.
        weights: name of the variable that is scaled.
        axes: the axes of it that hold the batch norm's channels, from the end.
    """

    layer: str
    norm: str
    epsilon: float
    weights: str
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Folding:
    """The folded config, what was folded, and by scope why each other batch norm stays."""

    document: Document
    folds: tuple[Fold, ...]
    kept: Mapping[str, str]

    def told(self) -> list[str]:
        """A line for each batch norm."""
        folded = [f"folded {fold.norm} into {fold.weights}" for fold in self.folds]
        return folded + [f"kept {norm}: {why}" for norm, why in self.kept.items()]


def folded(document: Document) -> Folding:
    """The config with every batch norm folded that can be. It has no optimizer: what is folded can't be trained."""
    layers = list(document.plan.layers())
    scopes = {layer.path: _norm_scope(document.catalog, layer) for layer in layers}
    uses = Counter(path for layer in layers for path in {layer.path, scopes[layer.path]})
    read = set(_read(document))
    folds, kept = {}, {}
    for layer in layers:
        inner, norm = layer.normalizer, scopes[layer.path]
        if inner is not None and inner.name == "batch_norm":
            held = _weights(layer)
            shared = uses[layer.path] > 1 or uses[norm] > 1
            why = _why_not(layer, inner, held is not None, shared, norm in read)
            if why or held is None:
                kept[norm] = why
            else:
                folds[layer.path] = Fold(layer.path, norm, inner.value("epsilon"), under(layer.path, held[0]), held[1])
        elif layer.op.name == "batch_norm":
            kept[layer.path] = "a layer of its own"
    return Folding(_evaluated(document, folds), tuple(folds.values()), kept)


def _norm_scope(catalog: Catalog, layer: LayerPlan) -> str:
    """The scope of the normalizer inside a layer; the layer's where it has none."""
    if layer.normalizer is None:
        return layer.path
    explicit = layer.normalizer.arguments.get("scope")
    name = normalizer_scope(catalog, layer.normalizer.name, explicit.value if explicit else None)
    return under(layer.path, name)


def _weights(layer: LayerPlan) -> tuple[str, tuple[int, ...]] | None:
    """The variable that holds a layer's output channels, and on which of its axes; None where none does."""
    if layer.op.name in ("conv1d", "conv2d", "conv3d", "fully_connected"):
        return "weights", (-1,)
    if layer.op.name in ("conv2d_transpose", "conv3d_transpose"):
        return "weights", (-2,)
    if layer.op.name == "separable_conv2d":
        mixed = layer.op.value("num_outputs") is not None
        return ("pointwise_weights", (-1,)) if mixed else ("depthwise_weights", (-2, -1))
    return None


def _why_not(layer: LayerPlan, norm: Component, held: bool, shared: bool, read: bool) -> str:
    """Why a layer can't take its batch norm in; '' where it can."""
    own = layer.op.arguments.get("data_format")
    first = str(own.value if own else "").startswith("NC")
    reasons = {
        f"{layer.op.name} has no weights for each channel": not held,
        "is_training: true takes the batch's statistics in evaluations too": norm.value("is_training") is True,
        "it has an activation_fn of its own": norm.value("activation_fn") is not None,
        "its data_format is not its layer's": first != norm.value("data_format").startswith("NC"),
        "its variables are shared": shared,
        "its output is read elsewhere": read,
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _read(document: Document) -> Iterator[str]:
    """The end points that items, losses and metrics name."""
    yield from _inputs(document.plan.items)
    for component in (*document.losses, *document.metrics):
        yield from (str(component.value(name)) for name in READS if name in component.arguments)


def _inputs(items: tuple[Item, ...]) -> Iterator[str]:
    for item in items:
        yield from item.words.inputs
        if isinstance(item, GroupPlan):
            for branch in item.branches:
                yield from _inputs(branch)


def _evaluated(document: Document, folds: Mapping[str, Fold]) -> Document:
    """The config with the layers changed, and without what is for training."""
    items = tuple(_changed(item, folds) for item in document.plan.items)
    unset = Argument(None, Origin("default"))
    train = {name: a if name == "precision" else unset for name, a in document.sections["train"].items()}
    return replace(
        document,
        plan=replace(document.plan, items=items),
        optimizer=None,
        train=Train(precision=document.train.precision),
        sections={**document.sections, "train": train},
    )


def _changed(item: Item, folds: Mapping[str, Fold]) -> Item:
    if isinstance(item, GroupPlan):
        return replace(item, branches=tuple(tuple(_changed(i, folds) for i in branch) for branch in item.branches))
    if item.path not in folds:
        return item
    # Penalties were for the weights as they were trained.
    values = dict.fromkeys(("normalizer_fn", "weights_regularizer", "biases_regularizer"))
    given = values | {"biases_initializer": Component("initializer", "zeros", {})}
    arguments = {name: Argument(value, Origin("config")) for name, value in given.items()}
    return replace(item, op=replace(item.op, arguments={**item.op.arguments, **arguments}))
