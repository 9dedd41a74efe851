"""Batch norm that has one example to take its statistics from."""

from math import prod

from slimtrain.config.document import Document
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.lints.settings import Place, listed, places, several
from slimtrain.jobs.lints.statistics import normalizing

HINT = "take more examples, group_norm, or is_training: false on batch_norm"


def single_examples(document: Document, net: Network) -> list[Problem]:
    """A `data.batch_size` of 1, or a batch that `train.accumulate` takes in parts of 1, with batch norm in the net."""
    parts = document.train.accumulate
    values = {p.path: _values(net, p) for p in _norms(document, net)}
    if document.data is None or document.data.batch_size > parts or not values:
        return []
    section, key = ("train", "accumulate") if parts > 1 else ("data", "batch_size")
    setting = document.sections[section][key]
    what = f"{key} {setting.value} leaves batch norm one example: {_told(values)}"
    return [Problem(section, what, HINT, setting.origin.mark, "warning")]


def _norms(document: Document, net: Network) -> list[Place]:
    """Batch norms that normalize by the batch; renorm does not rest on the batch's variance alone."""
    scopes = set(normalizing(net))
    return [p for p in places(document) if p.path in scopes and not _renorm(p)]


def _renorm(place: Place) -> bool:
    return place.component.name != "batch_norm" or bool(place.component.value("renorm"))


def _values(net: Network, place: Place) -> int:
    """How many values of one example go into a channel's statistics."""
    shape = next(e.shape for e in net.declaration.end_points if e.name == place.path)[1:]
    channels = shape[0] if place.component.value("data_format").startswith("NC") else shape[-1]
    return prod(shape) // channels


def _told(values: dict[str, int]) -> str:
    alone = [path for path, number in values.items() if number == 1]
    if alone:
        told = "a channel is normalized over 1 value, so its variance is 0 and its output is beta whatever comes in"
        return f"in {listed(alone, 'batch norms')}, {told}"
    low, high = min(values.values()), max(values.values())
    over = several(high, "value") if low == high else f"{low:,} to {high:,} values"
    return f"each image is normalized by itself, over {over} a channel in {listed(list(values), 'batch norms')}"
