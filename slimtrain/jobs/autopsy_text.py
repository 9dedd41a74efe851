"""`autopsy` for people."""

from collections.abc import Mapping
from typing import Any

from slimtrain.jobs.autopsy import Autopsy
from slimtrain.jobs.autopsy_search import Finding
from slimtrain.jobs.cures import numbered

KINDS = {
    "end_point": "end point",
    "variable": "variable",
    "loss": "loss",
    "regularization": "regularization loss of",
    "moment": "the optimizer's",
    "average": "the moving average of",
}


def told(found: Autopsy) -> str:
    """What was found, the facts around it, and what to do."""
    fields = [_field(name, field) for name, field in found.batch.items()]
    weight = found.largest_weight
    lines = [
        f"step {found.step} ({found.why}), from {found.checkpoint}{_walked(found)}",
        f"{_reproduced(found)}",
        "",
        _finding(found.finding),
        "",
        *fields,
        f"largest weight     {weight['value']:.4g} in {weight['name']}",
        f"learning rate      {found.learning_rate:.4g}",
        f"loss               {found.loss:.4g}",
        f"gradient norm      {found.gradient_norm:.4g}",
        "",
        f"cure: {found.cure}",
    ]
    return "\n".join(lines)


def _range(number: float | None) -> str:
    return "none" if number is None else f"{number:.4g}"


def _field(name: str, field: Mapping[str, Any]) -> str:
    head = f"batch '{name}'"
    bad = "" if field["finite"] else f", and not finite in {numbered(field['examples'])}"
    return f"{head:18} {_range(field['min'])} to {_range(field['max'])}{bad}"


def _walked(found: Autopsy) -> str:
    return "" if found.state_step == found.step - 1 else f", a state of step {found.state_step}: not the one before it"


def _reproduced(found: Autopsy) -> str:
    if not found.reproduced:
        return "not reproduced: taken again, all its numbers are finite"
    same = {True: ", with the same loss", False: ", with another loss", None: ""}[found.same_loss]
    return f"reproduced: taken again, its numbers are not finite{same}"


def _finding(finding: Finding | None) -> str:
    if finding is None:
        return "nothing that is not finite was found"
    where = f" ({finding.line})" if finding.line else ""
    name = f"{KINDS[finding.kind]} '{finding.name}'{where}"
    if finding.stage == "backward":
        name = f"the gradient at {name}" if finding.kind == "end_point" else f"the gradient of {name}"
        came = f"'{finding.through}' ({finding.through_line})" if finding.through else "the loss"
        name += f", which came through {came}" if finding.kind == "end_point" else ""
    elif finding.stage == "clipping":
        name = f"the gradient, multiplied and clipped, of {name}"
    who = f", for {numbered(finding.examples)}" if finding.examples else ""
    return f"{finding.stage}: {name} is the first that is not finite{who}"
