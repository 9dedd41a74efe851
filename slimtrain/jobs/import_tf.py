"""`slimtrain import-tf`: the variables of a TensorFlow checkpoint as one file, each under its name."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimtrain.errors import CheckpointError, Problem
from slimtrain.jobs.restore import EVERY, Filter
from slimtrain.store.tensorflow.bundle import Bundle
from slimtrain.store.tensorflow.checkpoint import open_checkpoint
from slimtrain.store.tensorflow.names import Role, averaged, roles
from slimtrain.store.tensorflow.slicefile import SliceFiles
from slimtrain.store.weights import check_suffix, write_weights

_WORDS = {
    "optimizer": "{} of the optimizer",
    "averages": "{} moving averages",
    "weights": "{} weights that have averages",
    "steps": "global_step",
    "not_numbers": "{} that hold no numbers",
    "not_chosen": "{} by --include and --exclude",
}


@dataclass(frozen=True)
class Imported:
    """What was taken from a checkpoint; `left_out` counts its other tensors by what they are."""

    source: str
    out: str
    variables: int
    step: int | None
    left_out: Mapping[str, int]

    def record(self) -> dict[str, Any]:
        """As `--json` gives it."""
        return {**vars(self), "left_out": dict(self.left_out)}


def import_tf(source: Path, out: Path, *, averages: bool = False, chosen: Filter = EVERY) -> Imported:
    """Writes the model's variables of a TensorFlow checkpoint to a file, without slots, shadows and the step.

    Args:
        source: the checkpoint's prefix, one of its files, or a folder whose newest is meant.
        out: the `.npz` or `.safetensors` file.
        averages: take the moving averages, under the names of the variables that they are of.
        chosen: which variables.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or it lacks what was asked for.
        ConfigError: a pattern that matches nothing, or an `out` of another suffix.
        WriteError: `out` cannot be written.
    """
    check_suffix(out)
    found = open_checkpoint(source)
    numbers = {name for name, tensor in found.tensors.items() if tensor.dtype}
    known = roles(found.tensors)
    wanted = {name: tensor for name, tensor in _wanted(source, known, averages).items() if tensor in numbers}
    if not wanted:
        raise CheckpointError(Problem(str(source), "holds no variables of a model"))
    names = chosen.names(sorted(wanted))
    steps = [name for name, role in known.items() if role == "step" and _counts(found, name)]
    arrays = dict(found.read([*(wanted[name] for name in names), *steps]))
    write_weights(out, {name: arrays[wanted[name]] for name in names})
    left_out = _left_out(known, numbers, set(wanted.values()), len(wanted) - len(names))
    step = int(arrays[steps[0]]) if len(steps) == 1 else None
    return Imported(str(source), str(out), len(names), step, left_out)


def _wanted(source: Path, known: Mapping[str, Role], averages: bool) -> dict[str, str]:
    """The model's variables by the tensors to take for them."""
    if not averages:
        return {name: name for name, role in known.items() if role == "model"}
    if "average" not in known.values():
        raise CheckpointError(Problem(str(source), "holds no moving averages", "leave --ema out"))
    return averaged(known)


def _left_out(known: Mapping[str, Role], numbers: set[str], taken: set[str], not_chosen: int) -> dict[str, int]:
    """How many tensors of each sort were not taken, without the sorts that there are none of."""
    sorts = {"optimizer": "optimizer", "average": "averages", "step": "steps", "model": "weights"}
    rest = known.keys() - taken
    counts = Counter("not_numbers" if name not in numbers else sorts[known[name]] for name in rest)
    counts["not_chosen"] = not_chosen
    return {sort: counts[sort] for sort in _WORDS if counts[sort]}


def _counts(found: Bundle | SliceFiles, name: str) -> bool:
    """Whether the tensor is one whole number."""
    tensor = found.tensors[name]
    return tensor.shape == () and tensor.dtype in ("int32", "int64")


def imported(record: Mapping[str, Any]) -> str:
    """The result of `import-tf`, for people."""
    told = [] if record["step"] is None else [f"step {record['step']:,}"]
    if record["left_out"]:
        told.append("left out: " + ", ".join(_WORDS[sort].format(n) for sort, n in record["left_out"].items()))
    return f"{record['variables']} variables in {record['out']}" + (f" ({'; '.join(told)})" if told else "")
