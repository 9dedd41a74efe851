"""Resolved values as plain ones, for JSON."""

from pathlib import Path
from typing import Any

from slimtrain.config.records import Argument, Component


def plain_value(value: Any) -> Any:
    """A resolved value as plain values: components as {name: {argument: value}}."""
    if isinstance(value, Argument):
        return plain_value(value.value)
    if isinstance(value, Component):
        return {value.name: {n: plain_value(a) for n, a in value.arguments.items()}}
    if isinstance(value, dict):
        return {n: plain_value(v) for n, v in value.items()}
    return (
        [plain_value(v) for v in value]
        if isinstance(value, tuple)
        else str(value)
        if isinstance(value, Path)
        else value
    )
