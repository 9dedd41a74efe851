"""The files that describe a run: the configs, the plan, the variables, the environment."""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from slimtrain import __version__
from slimtrain.config.document import Document
from slimtrain.config.records import LayerPlan
from slimtrain.config.resolved import resolved
from slimtrain.data.records import Dataset
from slimtrain.jobs.build import Network
from slimtrain.jobs.facts import facts_of
from slimtrain.jobs.plain import plain_value
from slimtrain.machine import cores, processor
from slimtrain.net.scope import VarSpec
from slimtrain.store.rundir import RunDir, write_json, write_text
from slimtrain.train.devices import environment


def write_records(run: RunDir, document: Document, data: Dataset, net: Network, command: Sequence[str]) -> None:
    """Writes config.yaml, resolved.yaml, plan.json, variables.json, data.json and env.json."""
    write_text(run.config, document.path.read_text("utf-8-sig"))
    write_text(run.resolved, resolved(document, origins=True))
    write_json(run.plan, [plan_record(layer) for layer in document.plan.layers()])
    write_json(run.variables, [variable_record(spec) for spec in net.declaration.specs.values()])
    write_json(run.data, facts_of(document, data, net))
    write_json(run.env, env_record(document, command))


def plan_record(layer: LayerPlan) -> dict[str, Any]:
    """A resolved layer as plain values."""
    arguments = {name: plain_value(argument) for name, argument in layer.op.arguments.items()}
    return {"name": layer.path, "op": layer.op.name, "line": layer.mark.short, "arguments": arguments}


def variable_record(spec: VarSpec) -> dict[str, Any]:
    """A variable as `--json` gives it."""
    return {
        "name": spec.name,
        "shape": list(spec.shape),
        "dtype": spec.dtype,
        "trainable": spec.trainable,
        "collections": list(spec.collections),
    }


def env_record(document: Document, command: Sequence[str]) -> dict[str, Any]:
    """Versions, machine, devices, seed, command."""
    packages = ("jax", "jaxlib", "numpy", "optax")
    return {
        "slimtrain": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        **environment(),
        "machine": platform.platform(),
        "processor": processor(),
        "threads": cores(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "seed": document.seed,
        "command": list(command) or sys.argv,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
