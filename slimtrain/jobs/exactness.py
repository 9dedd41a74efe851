"""What a run has to find again to go on bit for bit: the machine, the versions, the way it computes."""

import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from slimtrain import __version__, native
from slimtrain.errors import CheckpointError, Problem, SlimtrainError
from slimtrain.lazy import jax, jnp
from slimtrain.machine import cores, processor
from slimtrain.store.manifest import Manifest
from slimtrain.train.devices import TrainStep, environment
from slimtrain.train.state import to_arrays
from slimtrain.train.step import State

CIRCUMSTANCES = "circumstances"
"""The name of these among the facts of a checkpoint."""
REPLAYS = 3
"""How often `--deterministic` takes the first step before it believes it."""
_CURE = "the run goes on, but may not end bit-identical; to be sure, resume where it began"
_STRICT_CURE = "resume where it began, or without --deterministic, which is no longer exact"


def circumstances() -> dict[str, Any]:
    """What the bits of a step depend on besides the config and the data."""
    return {
        "slimtrain": __version__,
        "jaxlib": version("jaxlib"),
        **environment(),
        "processor": processor(),
        "threads": cores(),
        "native": native.ready(),
        "xla_flags": " ".join(sorted(os.environ.get("XLA_FLAGS", "").split())),
    }


def need_alike(path: Path, manifest: Manifest, *, strict: bool) -> list[Problem]:
    """Warnings of what differs between here and where a checkpoint was saved; none where nothing does.

    Args:
        path: the checkpoint.
        manifest: its manifest.
        strict: refuse instead, as `--deterministic` does.

    Raises:
        CheckpointError: something differs, and `strict` is set.
    """
    there, here = manifest["facts"].get(CIRCUMSTANCES), circumstances()
    if not isinstance(there, Mapping):
        return []
    other = [f"{name} {there[name]!r} there, {here[name]!r} here" for name in here if differs(name, there, here)]
    if not other:
        return []
    told = f"was saved under other circumstances: {'; '.join(other)}"
    if strict:
        raise CheckpointError(Problem(str(path), told, _STRICT_CURE))
    return [Problem(str(path), told, _CURE, severity="warning")]


def differs(name: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether a circumstance was told there, and was another one."""
    return name in there and there[name] != here[name]


def need_repeatable(step: TrainStep, state: State, batch: Any) -> None:
    """Takes a step several times from the same state and batch; what differs would not be the same in a resume either.

    Raises:
        SlimtrainError: it gives other bits another time.
    """
    first = bits_after(step, state, batch)
    for _ in range(REPLAYS - 1):
        again = bits_after(step, state, batch)
        if other := [name for name in first if first[name] != again[name]]:
            told = f"the same step gave other bits another time, in {len(other)} arrays, the first '{other[0]}'"
            raise SlimtrainError(Problem("--deterministic", told, "leave it out, or install another jaxlib"))


def bits_after(step: Callable[..., Any], state: State, batch: Any) -> dict[str, bytes]:
    """The bytes of every array of the state after a step; the one before it is left."""
    new, _ = step(jax.tree.map(jnp.copy, state), batch)
    return {name: array.tobytes() for name, array in to_arrays(new).items()}
