"""Settings of biases that are not made, because a normalizer stands in for them (TF-Slim's rule)."""

from slimtrain.config.document import Document
from slimtrain.errors import Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.lints.settings import Taken, as_default, several, taken, unheeded, warning


def ignored_biases(document: Document, net: Network) -> list[Problem]:
    """`biases_initializer` and `biases_regularizer` that only layers with a normalizer took."""
    return [p for name in ("biases_initializer", "biases_regularizer") for p in _ignored(document, net, name)]


def _ignored(document: Document, net: Network, name: str) -> list[Problem]:
    given = [t for t in taken(document, name) if t.argument.value is not None and not as_default(t.argument)]
    found = []
    for group in unheeded(given, lambda t: normalized(net, t)):
        normalizers = dict.fromkeys(t.place.layer.normalizer.name for t in group if t.place.layer.normalizer)
        number = sum({t.place.path: _outputs(net, t) for t in group}.values())
        biases = several(number, "bias", "biases")
        what = f"'{name}' is ignored: {', '.join(normalizers)} stands in for the {biases}"
        hint = "remove it, or set normalizer_fn: null where you want biases"
        found.append(warning(group, what, hint))
    return found


def normalized(net: Network, one: Taken) -> bool:
    """Whether the layer has a normalizer and no biases."""
    return one.place.layer.normalizer is not None and f"{one.place.path}/biases" not in net.declaration.specs


def _outputs(net: Network, one: Taken) -> int:
    """How many channels a layer gives: the biases that it would have."""
    shape = next(e.shape for e in net.declaration.end_points if e.name == one.place.path)
    given = one.place.component.arguments.get("data_format")
    return shape[1] if given and str(given.value).startswith("NC") else shape[-1]
