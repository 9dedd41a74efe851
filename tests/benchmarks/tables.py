"""The arithmetic over rounds, and the Markdown that shows it."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OURS = "slimtrain"
PEERS = ("torch", "tf-slim", "keras", "flax")


def rotated(names: Sequence[str], number: int) -> list[str]:
    """The order of a round: odd ones go backwards, and every two rounds another name begins."""
    start = number // 2 % len(names)
    turned = [*names[start:], *names[:start]]
    return turned[::-1] if number % 2 else turned


def paired(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """The ratio of each round, both of which were measured in it."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def quickest(times: Mapping[str, Sequence[float]]) -> str:
    """The name with the smallest median."""
    return min(times, key=lambda name: statistics.median(times[name]))


def by_peer(times: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """The best variant of each peer; `torch+compile` is one of torch."""
    names: dict[str, dict[str, Sequence[float]]] = {}
    for name, values in times.items():
        names.setdefault(name.partition("+")[0], {})[name] = values
    return {peer: quickest(variants) for peer, variants in names.items()}


def spread(values: Sequence[float], digits: int = 1) -> str:
    """`median (smallest to largest)`."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def milliseconds(values: Sequence[float]) -> str:
    """A spread with three digits or so."""
    middle = statistics.median(values)
    return spread(values, 2 if middle < 10 else 1 if middle < 100 else 0)


def ratio(times: Mapping[str, Sequence[float]]) -> tuple[str, list[float]]:
    """(the best peer's variant, slimtrain's time over it in each round)."""
    best = quickest({name: values for name, values in times.items() if name != OURS})
    return best, paired(times[OURS], times[best])


def gflops(flops: int, batch: int, values: Sequence[float]) -> float:
    """The rate of a train step that takes three times a forward pass's operations; `values` in milliseconds."""
    return 3 * flops * batch / statistics.median(values) / 1e6


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its numbers to the right."""
    marks = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, marks, *rows))


def step_row(found: Mapping[str, Any], rate: float) -> list[str]:
    """A net's row of the table of times."""
    times, title = found["times"], f"{found['title']}, batch {found['batch']}"
    best = by_peer(times)
    cells = [milliseconds(times[best[n]]) if n in best else "-" for n in (OURS, *PEERS)]
    if OURS not in times:
        return [title, *cells, "-", "-", "-"]
    done = gflops(found["flops"], found["batch"], times[OURS])
    return [title, *cells, _ratio(times), f"{done:.0f}", f"{100 * done / rate:.0f}%"]


def _ratio(times: Mapping[str, Sequence[float]]) -> str:
    if len(times) == 1:
        return "-"
    other, ratios = ratio(times)
    return f"{spread(ratios, 2)} to {other}"


def memory_row(found: Mapping[str, Any]) -> list[str]:
    """A net's row of the table of peak memory."""
    best = by_peer(found["times"])
    peaks = {name: statistics.median(found["memory"][best[name]]) for name in best}
    return [found["title"], *(f"{peaks[n]:.0f}" if n in peaks else "-" for n in (OURS, *PEERS))]


def variant_rows(nets: Iterable[Mapping[str, Any]], variants: Sequence[str]) -> list[list[str]]:
    """What PyTorch's variants took in the trial before the rounds."""
    return [[found["title"], *(_trial(found["trial"].get(v, "-")) for v in variants)] for found in nets]


def _trial(value: Any) -> str:
    return value.replace("|", "/") if isinstance(value, str) else f"{value:.1f}"


def replaced(text: str, title: str, body: str) -> str:
    """A Markdown text with its section of this title put in the place of the old one, or at the end."""
    parts = text.rstrip().split("\n## ")
    new = f"{title}\n\n{body.strip()}\n"
    places = [i for i, part in enumerate(parts[1:], 1) if part.partition("\n")[0] == title]
    kept = [part.rstrip() + "\n" for part in parts]
    if places:
        kept[places[0]] = new
    else:
        kept.append(new)
    return "\n## ".join(kept)
