"""What weights were trained on: images, preprocessing, labels; written with a run, carried by its exports, checked."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from slimtrain.config.document import Document
from slimtrain.data.preprocess import pipeline
from slimtrain.data.records import Dataset
from slimtrain.errors import CheckpointError, Problem
from slimtrain.jobs.build import Network
from slimtrain.jobs.plain import plain_value
from slimtrain.store.rundir import RunDir, read_json
from slimtrain.store.weights import read_facts

Facts = Mapping[str, Any]

_CURE = "make them equal, or take weights that were trained so"
_WORDS = {
    "image": "images of shape {}",
    "preprocess": "preprocess: {}",
    "classes": "{} classes",
    "labels": "the classes {}",
    "labels_offset": "labels_offset {}",
}


def facts_of(document: Document, data: Dataset, net: Network) -> Facts:
    """What a network gets: the image's shape, the steps that images pass before an evaluation, what labels mean.

    `labels` are the classes' names, `labels_offset` what was taken off the data's; None where there are none.
    """
    asked, source = document.data, document.source
    assert asked is not None and source is not None
    given = asked.preprocess if asked.eval_preprocess is None else asked.eval_preprocess
    steps = _default(data) if given is None else [plain_value(step) for step in given]
    offset = source.arguments.get("labels_offset")
    return {
        "image": list(net.shape),
        "preprocess": steps,
        "classes": data.classes,
        "labels": list(data.names) or None,
        "labels_offset": offset.value if offset else None,
    }


def _default(data: Dataset) -> list[dict[str, Any]]:
    """The steps that are taken where the config names none, as it would name them."""
    images = next(iter(data.splits.values())).fields["image"]
    return [
        {s.__name__: {n: p.default for n, p in inspect.signature(s).parameters.items() if p.default is not p.empty}}
        for s in pipeline.default(images.dtype)
    ]


def carried(source: Path) -> Facts:
    """What a run, a checkpoint's folder or a weight file says of what it was trained on; nothing where it does not."""
    if not source.is_dir():
        return read_facts(source)
    in_run = (source / "manifest.json").exists()
    return read_json(RunDir(source.parent.parent if in_run else source).data)


def unlike(source: Path, here: Facts, severity: Literal["error", "warning"]) -> list[Problem]:
    """Where weights were trained on something else than the config says, both values named."""
    there = carried(source)
    known = [name for name in _WORDS if there.get(name) is not None and here[name] is not None]
    other = [name for name in known if there[name] != here[name]]
    told = [f"was trained on {_told(name, there)}, the config has {_told(name, here)}" for name in other]
    return [Problem(str(source), what, _CURE, severity=severity) for what in told]


def need_alike(source: Path, here: Facts) -> None:
    """Raises CheckpointError where weights were trained on something else than the config says."""
    if problems := unlike(source, here, "error"):
        raise CheckpointError(*problems)


def _told(name: str, facts: Facts) -> str:
    return _WORDS[name].format(json.dumps(facts[name]))
