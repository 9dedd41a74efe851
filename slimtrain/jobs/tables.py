"""What commands print for people: tables of text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from slimtrain.jobs.inspect import Inspection
from slimtrain.jobs.verify_resume import Verified
from slimtrain.net.scope import FROZEN
from slimtrain.store.files import plain


def json_text(value: Any) -> str:
    """Plain values as one JSON object; numbers that JSON lacks as "nan" and "inf"."""
    return json.dumps(plain(value), indent=1)


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows in columns, the first row a head; columns in `right` are set flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
        if number == 0:
            lines.append("  ".join("-" * w for w in widths))
    return "\n".join(lines)


def count(number: float) -> str:
    """A number in thousands, millions, billions."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.2f}{suffix}"
    return str(int(number))


def inspection(found: Inspection, statistics: bool) -> str:
    """`inspect` for people: end points, variables, totals."""
    record = found.record()
    head = ["end point", "op", "shape", "parameters", "flops", "line"]
    extra = ["mean", "std", "min", "max", "zeros"] if statistics and "stats" in record else []
    rows = [head[:5] + extra + head[5:]]
    for point in record["end_points"]:
        told = [f"{record['stats'][point['name']][n]:.4g}" for n in extra] if extra else []
        shape = "x".join(map(str, point["shape"][1:])) or "-"
        counts = [f"{point['parameters']:,}", count(point["flops"])]
        rows.append([point["name"], point["op"], shape, *counts, *told, point["line"]])
    right = [3, 4, *range(5, 5 + len(extra))]
    losses = table([["loss"], *([name] for name in record.get("losses", ()))]) if "losses" in record else ""
    parts = [table(rows, right), variables(record["variables"]), losses, totals(record)]
    return "\n\n".join(part for part in parts if part)


def variables(records: Sequence[Mapping[str, Any]]) -> str:
    """The variables, one a line."""
    rows = [["variable", "shape", "trainable", "collections"]]
    for one in records:
        shape = "x".join(map(str, one["shape"])) or "scalar"
        more = [c for c in one["collections"] if c not in ("model_variables", "trainable_variables", FROZEN)]
        trained = "frozen" if FROZEN in one["collections"] else "yes" if one["trainable"] else "no"
        rows.append([one["name"], shape, trained, " ".join(more)])
    return table(rows)


def totals(record: Mapping[str, Any]) -> str:
    """The sums under an inspection."""
    parameters = record["parameters"]
    return (
        f"parameters {parameters['total']:,} ({parameters['trainable']:,} trainable)   "
        f"flops {count(record['flops'])} an example   "
        f"update ops {record['update_ops']}   regularization losses {record['regularization_losses']}"
    )


def metrics(values: Mapping[str, Any], after: str = "") -> str:
    """Metrics on one line, `after` at its end; a matrix below it, as a table."""
    matrices = {n: v for n, v in values.items() if isinstance(v, list) and v and isinstance(v[0], list)}
    line = "  ".join(f"{n} {_numbers(v)}" for n, v in values.items() if n not in matrices)
    return "\n".join([line + after, *(f"{n}\n{_matrix(v)}" for n, v in matrices.items())])


def _numbers(value: Any) -> str:
    return f"[{' '.join(map(_numbers, value))}]" if isinstance(value, list) else f"{value:.4f}"


def _matrix(rows: Sequence[Sequence[Any]]) -> str:
    """A matrix with the numbers of its rows and columns; whole numbers as such."""
    head = ["", *(str(i) for i in range(len(rows[0])))]
    cells = [[str(i), *(f"{v:.10g}" for v in row)] for i, row in enumerate(rows)]
    return table([head, *cells], right=range(len(head)))


def fitted(record: Mapping[str, Any]) -> str:
    """The result of `fit`."""
    rate = f", {record['examples_per_second']:,.0f} examples/s" if record["examples_per_second"] else ""
    took = f"{record['steps']} steps, {record['epochs']:g} epochs, {record['seconds']:.1f} s{rate}"
    return f"{metrics(record['metrics'], f'   ({took})')}\n{record['run']}"


def planned(record: Mapping[str, Any]) -> str:
    """The result of `fit --dry-run`."""
    memory = count(record["peak_memory_bytes"])
    return (
        f"would train {record['steps']} steps ({record['epochs']:g} epochs) of {record['batch']} examples; "
        f"{record['parameters']:,} parameters, {count(record['flops'])} flops an example forward, "
        f"{memory}B at the peak, compiled in {record['compile_s']:.1f} s"
    )


def evaluated(record: Mapping[str, Any]) -> str:
    """The result of `eval`."""
    told = f"   ({record['split']}, n = {record['examples']:,}, {record['checkpoint']})"
    return metrics(record["metrics"], told)


def timed(record: Mapping[str, Any]) -> str:
    """The result of `time`."""
    rows = [["", "min ms", "median ms"]]
    for name in ("train_step_ms", "eval_step_ms"):
        rows.append([name[:-3].replace("_", " "), f"{record[name]['min']:.2f}", f"{record[name]['median']:.2f}"])
    rate = 1e3 * record["batch"] / record["train_step_ms"]["median"]
    planned, held = (count(record[name]) for name in ("peak_memory_bytes", "resident_memory_bytes"))
    threads = f", {record['threads']} threads" if record["device"] == "cpu" else ""
    foot = (
        f"batch {record['batch']} on {record['device']}{threads}: {rate:,.0f} examples/s in training\n"
        f"{_rate(record['train_step_gflops'])} GFLOP/s in a train step, {record['share_of_peak']:.0%} of the "
        f"{_rate(record['peak_gflops'])} of a large float32 matrix product here\n"
        f"compiled in {record['compile_s']:.1f} s; {planned}B at the peak of a train step, {held}B in the process"
    )
    parts = [table(rows, (1, 2)), foot, _layers(record["layers"])]
    return "\n\n".join(part for part in parts if part)


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _layers(records: Sequence[Mapping[str, Any]]) -> str:
    """The layers that `time` timed, one a line; rates where a layer has operations that are counted."""
    if not records:
        return ""
    rows = [["layer", "op", "lowering", "forward ms", "backward ms", "GFLOP/s", "of peak"]]
    for one in records:
        rates = [_rate(one["gflops"]), f"{one['share_of_peak']:.0%}"] if one["flops"] else ["", ""]
        times = [f"{one['forward_ms']:.3f}", f"{one['backward_ms']:.3f}"]
        rows.append([one["name"], one["op"], one["lowering"], *times, *rates])
    return table(rows, (3, 4, 5, 6)) + "\n(each by itself; they don't add up to the fused step)"


def verified(found: Verified) -> str:
    """`verify-resume` for people: where the kills landed, and whether it shows."""
    rows = [["kill", "after", "saved", "told"]]
    rows += [[str(n), f"{k.after:.1f} s", str(k.saved), str(k.told)] for n, k in enumerate(found.kills, 1)]
    ends = f"{found.finishes} finish{'es' * (found.finishes != 1)}"
    counts = f"{len(found.kills)} kill{'s' * (len(found.kills) != 1)}, {ends} at step {found.steps}"
    if not found.differences:
        return f"{table(rows, range(1, 4))}\n\n{counts}: bit-identical with a run that was not killed"
    told = "\n".join(found.differences)
    return f"{table(rows, range(1, 4))}\n\n{counts}, not identical (the runs are kept in {found.kept}):\n{told}"
