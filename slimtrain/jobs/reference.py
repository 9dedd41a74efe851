"""`slimtrain layers`: everything that a config can name, off the definitions."""

import json
from typing import Any

from slimtrain.config.catalog import KINDS, Definition
from slimtrain.config.reference import listing, reference, reference_json
from slimtrain.config.schema import json_schema
from slimtrain.errors import ConfigError, Problem, did_you_mean
from slimtrain.jobs.builtin import catalog


def listed(plugins: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """Every registered function by kind: (names as JSON has them, text)."""
    everything = catalog(plugins)
    names = {kind: sorted({d.name for d in everything.kind(kind).values()}) for kind in KINDS}
    return names, listing(everything)


def described(name: str, plugins: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """One function, or the several of a name (`softmax` is an activation and an op): (JSON, text)."""
    everything = catalog(plugins)
    found: list[Definition] = [everything.kind(kind)[name] for kind in KINDS if name in everything.kind(kind)]
    if not found:
        known = {n for kind in KINDS for n in everything.kind(kind)}
        hint = did_you_mean(name, known) or "'slimtrain layers' lists them"
        raise ConfigError(Problem("layers", f"nothing is called '{name}'", hint))
    text = "\n\n".join(reference(definition) for definition in found)
    records = [reference_json(definition) for definition in found]
    return (records[0] if len(records) == 1 else {"definitions": records}), text


def schema_text(plugins: tuple[str, ...]) -> str:
    """The JSON Schema of configs."""
    return json.dumps(json_schema(catalog(plugins)), indent=1)
