"""`slimtrain doctor`: what a run stands on, looked at one by one, with what to do about what is amiss."""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from slimtrain.jobs import computing, surroundings
from slimtrain.jobs.findings import Finding, found_by


def examine(say: Callable[[str], None] = lambda text: None) -> Iterator[Finding]:
    """Every finding, as it is found; JAX is tested and the native part is built, as the first run would.

    Args:
        say: told what takes a while.
    """
    yield from found_by("versions", surroundings.versions)
    yield from found_by("packages", computing.packages)
    name = yield from _devices()
    yield from found_by("threads", surroundings.threads)
    if name:
        yield from found_by("self-test", lambda: computing.numbers(say))
    if name == "cpu":
        yield from found_by("native part", lambda: computing.native_part(say))
    yield from found_by("cache", surroundings.caches)
    yield from found_by("runs", surroundings.disks)
    yield from found_by("memory", surroundings.memory)
    yield from found_by("variables", surroundings.variables)


def _devices() -> Generator[Finding, None, str]:
    name = ""

    def look() -> Iterable[Finding]:
        nonlocal name
        name, findings = computing.devices()
        return findings

    yield from found_by("devices", look)
    return name


def record(findings: Iterable[Finding]) -> dict[str, Any]:
    """As `--json` gives it."""
    findings = list(findings)
    return {"ok": well(findings), "findings": [vars(found) for found in findings]}


def well(findings: Iterable[Finding]) -> bool:
    """Whether there is no problem; warnings are none."""
    return all(found.mark != "problem" for found in findings)
