"""`--fold-bn`: a network's variables with its batch norms folded into weights and biases."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from slimtrain.config.document import Document
from slimtrain.config.folding import Fold, Folding, folded
from slimtrain.errors import ConfigError, Problem


def folding_of(document: Document) -> Folding:
    """The config's folding; raises ConfigError where there is nothing to fold."""
    found = folded(document)
    if not found.folds:
        why = f" ({'; '.join(f'{norm}: {reason}' for norm, reason in found.kept.items())})" if found.kept else ""
        raise ConfigError(Problem("--fold-bn", f"no batch norm can be folded{why}", "leave it out"))
    return found


def folded_variables(folding: Folding, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of the folded network, of those of the network that was trained."""
    found = dict(variables)
    for fold in folding.folds:
        norm = {name: np.asarray(found.pop(name), np.float64) for name in variables if name.startswith(f"{fold.norm}/")}
        scale, biases = _scale_and_biases(fold, norm)
        weights = np.asarray(found[fold.weights], np.float64)
        shape = [n if axis in fold.axes else 1 for axis, n in zip(range(-weights.ndim, 0), weights.shape, strict=True)]
        found[fold.weights] = (weights * scale.reshape(shape)).astype(np.float32)
        found[f"{fold.layer}/biases"] = biases.astype(np.float32)
    return found


def _scale_and_biases(fold: Fold, norm: Mapping[str, Any]) -> tuple[Any, Any]:
    """gamma / sqrt(variance + epsilon) and beta - mean * that, for each channel."""
    mean, variance = norm[f"{fold.norm}/moving_mean"], norm[f"{fold.norm}/moving_variance"]
    scale = norm.get(f"{fold.norm}/gamma", 1.0) / np.sqrt(variance + fold.epsilon)
    return scale, norm.get(f"{fold.norm}/beta", 0.0) - mean * scale
