"""A state as arrays by name, and back: what a checkpoint holds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimtrain.errors import CheckpointError
from slimtrain.lazy import jax
from slimtrain.train.step import State

Named = dict[str, NDArray[Any]]
_SKIPS = "skips/"


def to_arrays(state: State) -> Named:
    """Every array of a state, copied to the host: `parameters/<name>`, `optimizer/<path>`, `step` and so on."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {name_of(path): np.array(leaf) for path, leaf in leaves}


def from_arrays(arrays: Mapping[str, NDArray[Any]], like: State) -> State:
    """The state of these arrays, in the form of `like`. Counts of skipped steps begin where there are none yet.

    Raises:
        CheckpointError: names, shapes or types that are not those of `like`, all of them.
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(like)
    wanted = {name_of(path): leaf for path, leaf in leaves}
    arrays = _with_skips(arrays, wanted)
    problems = list(mismatches(arrays, wanted))
    if problems:
        shown = problems[:5] + ([f"and {len(problems) - 5} more"] if len(problems) > 5 else [])
        raise CheckpointError(f"the checkpoint is not of this config: {'; '.join(shown)}")
    # Copied twice: JAX copies after this returns, and the first train step takes the state's memory. `jnp.array`
    # would compile a copy for every shape.
    own = jax.device_put([np.array(arrays[name]) for name in wanted], may_alias=False)
    return jax.tree.unflatten(tree, own)  # type: ignore[no-any-return]


def _with_skips(arrays: Mapping[str, NDArray[Any]], wanted: Mapping[str, Any]) -> Mapping[str, NDArray[Any]]:
    """The arrays with counts of skipped steps as wanted: `train.skip_non_finite` may come and go in a run."""
    counts = {name: np.zeros(leaf.shape, leaf.dtype) for name, leaf in wanted.items() if name.startswith(_SKIPS)}
    if not counts:
        return {name: array for name, array in arrays.items() if not name.startswith(_SKIPS)}
    return counts | dict(arrays)


def mismatches(arrays: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Sentences on arrays that are missing, not wanted, or of another shape or type."""
    told = [f"'{n}' is missing" for n in wanted if n not in arrays]
    told += [f"'{n}' is not wanted" for n in arrays if n not in wanted]
    for name in (n for n in wanted if n in arrays):
        got, want = arrays[name], wanted[name]
        if tuple(got.shape) != tuple(want.shape) or got.dtype != want.dtype:
            told.append(f"'{name}' is {got.dtype} {list(got.shape)}, not {want.dtype} {list(want.shape)}")
    return told


def name_of(path: Any) -> str:
    """The name of a leaf of a tree by JAX's path to it, such as `parameters/conv1/weights`."""
    return "/".join(str(getattr(p, "name", getattr(p, "key", getattr(p, "idx", p)))) for p in path)
