"""What a soak came to: how often each thing was tried, how often it failed, in words and as a table."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

HEAD = "| what | tried | failed | true rate of failures, 95% sure |\n| --- | ---: | ---: | ---: |"
SHOWN = 20


@dataclass
class Tally:
    """A count by what was tried. `failures` are sentences that tell how to see each one again; `notes` are figures."""

    tried: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, failure: str = "", times: int = 1) -> None:
        """Counts tries; `failure` says what went wrong in one of them, nothing where all was right."""
        self.tried[what] += times
        self.failed[what] += bool(failure)
        self.failures += [f"{what}: {failure}"] * bool(failure)

    def take(self, others: Iterable["Tally"]) -> "Tally":
        """This tally, with others added to it."""
        for other in others:
            self.tried.update(other.tried)
            self.failed.update(other.failed)
            self.failures += other.failures
            self.notes += other.notes
        return self

    def table(self) -> str:
        """As Markdown, with failures and notes under it."""
        counts = [(what, number, self.failed[what]) for what, number in sorted(self.tried.items())]
        if len(counts) > 1:
            counts.append(("together", self.tried.total(), self.failed.total()))
        rows = [f"| {what} | {tried} | {failed} | {rate(failed, tried)} |" for what, tried, failed in counts]
        return "\n".join([HEAD, *rows, "", *(f"- {line}" for line in (*self.failures[:SHOWN], *self.notes))]).strip()


def rate(failed: int, tried: int) -> str:
    """Below 3 / tried where nothing failed (the rule of three); else what was counted."""
    if failed:
        return f"counted {100 * failed / tried:.2g}%"
    return f"below {300 / tried:.2g}%" if tried >= 10 else ""


def together(work: Iterable[Callable[[], Tally]], workers: int) -> Iterator[Tally]:
    """What each piece of work counts, so many pieces at a time in threads that wait for processes."""
    with ThreadPoolExecutor(workers) as threads:
        yield from threads.map(lambda one: one(), work)
