"""What a resumed run's config says otherwise than the config that the run was trained with until now."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slimtrain.config.document import Document
from slimtrain.config.nodes import plain
from slimtrain.config.resolved import resolved
from slimtrain.config.text import read_file, read_text
from slimtrain.errors import ConfigError, Problem

FREE = (
    *("train.steps", "train.epochs", "train.early_stop", "train.keep"),
    *("train.log_every", "train.eval_every", "train.checkpoint_every"),
    *("data.path", "data.train", "data.test", "data.workers", "data.eval_batch_size", "data.eval_preprocess"),
    *("train.init_from", "train.init_include", "train.init_exclude", "metrics"),
)
"""Keys that do not change what a step computes."""
SHOWN = 5


def changes(document: Document, trained_with: Path) -> list[Problem]:
    """A warning of what differs between a config and the one that a run was trained with; none where nothing does.

    Args:
        document: the config that the run goes on with.
        trained_with: the run's resolved.yaml; where it cannot be read there is nothing to compare.
    """
    try:
        before = _flat(plain(read_file(trained_with)))
    except ConfigError:
        return []
    now = _flat(plain(read_text(resolved(document), document.name)))
    told = [
        f"{key} {before.get(key, 'not given')} before, {now.get(key, 'not given')} now"
        for key in {**before, **now}
        if before.get(key) != now.get(key) and not key.startswith(FREE)
    ]
    if not told:
        return []
    shown = told[:SHOWN] + ([f"and {len(told) - SHOWN} more"] if len(told) > SHOWN else [])
    hint = "if that is not meant, give the same config and overrides as before"
    what = f"goes on otherwise than the run was trained until now: {'; '.join(shown)}"
    return [Problem(str(document.path), what, hint, severity="warning")]


def _flat(value: Any) -> dict[str, Any]:
    """Values by their path: `train.steps`, `model.layers.0.conv2d.padding`."""
    return dict(_leaves("", value))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield path, value
        return
    for name, part in parts:
        yield from _leaves(f"{path}.{name}" if path else str(name), part)
