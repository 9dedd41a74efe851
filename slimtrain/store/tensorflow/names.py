"""Which of a checkpoint's tensors are the model's, and what the others are, by the names that TensorFlow gives."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

Role = Literal["model", "average", "optimizer", "step"]

_AVERAGE = "ExponentialMovingAverage"
_SLOTS = "Momentum|RMSProp|Adam|AdaMax|Adagrad|AdagradDA|Adadelta|Ftrl|LARS|LAMB"
_OPTIMIZER = re.compile(rf"(?:(?:{_SLOTS})|beta[12]_power)(?:_\d+)?")
# Batch norm's own, though TensorFlow puts them under the mean that they correct.
_BATCH_NORM = ("biased", "local_step")


def roles(names: Iterable[str]) -> dict[str, Role]:
    """What each tensor is. One that stands under another's whole name is a slot of it, whatever its optimizer is."""
    known = set(names)
    return {name: _role(name, known) for name in known}


def _role(name: str, known: set[str]) -> Role:
    above, _, last = name.rpartition("/")
    if last == _AVERAGE:
        return "average"
    if last == "global_step":
        return "step"
    slot = above in known and last not in _BATCH_NORM
    return "optimizer" if slot or _OPTIMIZER.fullmatch(last) else "model"


def averaged(found: Mapping[str, Role]) -> dict[str, str]:
    """The model's variables by the tensors to take for them: the moving average where there is one.

    So TF-Slim's `variables_to_restore` of a moving average has it.
    """
    plain = {name: name for name, role in found.items() if role == "model"}
    averages = {name.removesuffix(f"/{_AVERAGE}"): name for name, role in found.items() if role == "average"}
    return plain | averages
