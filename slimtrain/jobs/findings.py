"""What a check-up found: one line each, with a mark and what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Mark = Literal["ok", "warning", "problem"]
Check = Callable[[], Iterable["Finding"]]


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what to do about it, empty where nothing is to be done."""

    subject: str
    mark: Mark
    told: str
    cure: str = ""


def found_by(subject: str, check: Check) -> Iterator[Finding]:
    """What a check finds; where it fails in a way of its own, that is the finding."""
    try:
        yield from check()
    # Nothing that is wrong with the machine may keep the other checks from being made.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        yield Finding(subject, "problem", f"cannot be looked at: {type(error).__name__}: {reason}")


def text(findings: Iterable[Finding]) -> str:
    """The findings for people, aligned, cures under what they cure, and a last line that sums up."""
    findings = list(findings)
    wide = max((len(f.subject) for f in findings), default=0)
    lines = []
    for found in findings:
        lines.append(f"{found.mark:<7}  {found.subject:<{wide}}  {found.told}")
        lines += [f"{'':<7}  {'':<{wide}}  -> {found.cure}"] * bool(found.cure)
    return "\n".join([*lines, "", summary(findings)])


def summary(findings: Iterable[Finding]) -> str:
    """`all is well`, or how many problems and warnings there are."""
    marks = [f.mark for f in findings]
    counts = [(marks.count(m), m) for m in ("problem", "warning") if m in marks]
    return ", ".join(f"{n} {m}{'s' * (n != 1)}" for n, m in counts) or "all is well"
