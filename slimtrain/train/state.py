"""A state as arrays by name, and back: what a checkpoint holds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.errors import CheckpointError
from slimtrain.lazy import jax
from slimtrain.train.step import State

Named = dict[str, NDArray[Any]]


def to_arrays(state: State) -> Named:
    """Every array of a state, copied to the host: `parameters/<name>`, `optimizer/<path>`, `step` and so on."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {_name(path): np.array(leaf) for path, leaf in leaves}


def from_arrays(arrays: Mapping[str, NDArray[Any]], like: State) -> State:
    """The state of these arrays, in the form of `like`.

    Raises:
        CheckpointError: names, shapes or types that are not those of `like`, all of them.
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(like)
    wanted = {_name(path): leaf for path, leaf in leaves}
    problems = list(mismatches(arrays, wanted))
    if problems:
        shown = problems[:5] + ([f"and {len(problems) - 5} more"] if len(problems) > 5 else [])
        raise CheckpointError(f"the checkpoint is not of this config: {'; '.join(shown)}")
    # Copies by NumPy: on a CPU `device_put` may share memory, and `jnp.array` compiles a program for every shape.
    own = jax.device_put([np.array(arrays[name]) for name in wanted])
    return jax.tree.unflatten(tree, own)  # type: ignore[no-any-return]


def mismatches(arrays: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Sentences on arrays that are missing, not wanted, or of another shape or type."""
    told = [f"'{n}' is missing" for n in wanted if n not in arrays]
    told += [f"'{n}' is not wanted" for n in arrays if n not in wanted]
    for name in (n for n in wanted if n in arrays):
        got, want = arrays[name], wanted[name]
        if tuple(got.shape) != tuple(want.shape) or got.dtype != want.dtype:
            told.append(f"'{name}' is {got.dtype} {list(got.shape)}, not {want.dtype} {list(want.shape)}")
    return told


def _name(path: Any) -> str:
    return "/".join(str(getattr(p, "name", getattr(p, "key", getattr(p, "idx", p)))) for p in path)
