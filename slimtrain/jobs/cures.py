"""What to do about a step whose numbers are not finite, from what was found."""

from collections.abc import Mapping
from typing import Any

from slimtrain.config.document import Document
from slimtrain.jobs.autopsy_search import Finding

LARGE_INPUT = 1e4
"""Inputs from this size on are told as too large."""
LARGE_WEIGHT = 1e3
"""Weights from this size on are told as run away."""
SHOWN = 8
"""How many examples a sentence names."""
Fields = Mapping[str, Mapping[str, Any]]


def cure(
    document: Document, finding: Finding | None, batch: Fields, largest: Mapping[str, Any], rate: float, norm: float
) -> str:
    """A sentence on what to change first.

    Args:
        document: the run's config.
        finding: what is not finite first; None where all is.
        batch: the ranges of the batch's fields.
        largest: the largest weight.
        rate: the learning rate of the step.
        norm: the norm of all gradients together.
    """
    if bad := [name for name, field in batch.items() if not field["finite"]]:
        return f"repair the data: '{bad[0]}' is not finite in {numbered(batch[bad[0]]['examples'])}"
    if finding is None:
        return "resume, with the same config; if it stops again, the machine or the data changed meanwhile"
    size = max((abs(batch["image"][end] or 0.0) for end in ("min", "max")), default=0.0) if "image" in batch else 0.0
    if size >= LARGE_INPUT:
        return f"scale the inputs, which reach {size:.3g} (data.preprocess)"
    lower = f"lower the learning rate of {rate:.3g} ({_rate_key(document)}), warm it up"
    clip = "" if document.train.clip_global_norm else ", or clip gradients (train.clip_global_norm: 1.0)"
    if largest["value"] >= LARGE_WEIGHT:
        ran = f"the weights ran away, {largest['name']} to {largest['value']:.3g}"
        return f"{ran}: resume from an earlier step, {lower}{clip}"
    return {
        "forward": f"look at the arguments of '{finding.name}' ({finding.line}); else {lower}{clip}",
        "statistics": "normalize or scale what goes in there: its variance is too large for float32",
        "loss": "a loss of probabilities takes the logarithm of 0: use one that takes logits, or clip what it reads",
        "backward": f"{_backward(finding)}; clipping cannot mend a gradient that is not finite",
        "clipping": "the gradients overflow: give the loss a smaller weight, or lower train.gradient_multipliers",
        "optimizer": f"gradients of norm {norm:.3g} overflow when squared: give the loss a smaller weight",
        "weights": f"{lower}{clip}",
    }[finding.stage]


def numbered(examples: Any) -> str:
    """`examples 3, 17 and 40 more`."""
    shown = ", ".join(map(str, examples[:SHOWN]))
    more = f" and {len(examples) - SHOWN} more" if len(examples) > SHOWN else ""
    return f"example{'s' * (len(examples) != 1)} {shown}{more}"


def _backward(finding: Finding) -> str:
    if finding.kind == "end_point" and finding.through:
        return f"'{finding.through}' ({finding.through_line}) has no finite derivative there: change it or what it gets"
    if finding.kind == "end_point":
        return "the loss has no finite derivative there: use one that takes logits, or clip what it reads"
    return f"the gradient is too large for the inputs of '{finding.name}': scale those, or the loss's weight, down"


def _rate_key(document: Document) -> str:
    return f"optimizer.{document.optimizer.name}.learning_rate" if document.optimizer else "optimizer"
