"""Draws the README's picture from a run that slimtrain made.

slimtrain fit configs/digits.yaml --run-dir RUN train.log_every=11
python tests/pictures/draw.py RUN tests/pictures/digits.svg
"""

import json
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP, GAP = 860, 270, 46, 34, 64
PANEL = (WIDTH - 2 * LEFT - GAP) / 2
BOTTOM = HEIGHT - 40


def main(run: str, out: str) -> None:
    """Writes an SVG of two panels: the loss and the accuracy, in training and at evaluation, over the steps."""
    lines = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    panels = "".join(panel(lines, metric, number) for number, metric in enumerate(("loss", "accuracy")))
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    frame = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    Path(out).write_text(f"{head}{frame}{panels}</svg>\n")


def panel(lines: list[dict], metric: str, number: int) -> str:
    """One metric's panel: a grid, two curves, their last values."""
    left = LEFT + number * (PANEL + GAP)
    series = {name: points(lines, f"{name}/{metric}") for name in ("train", "eval")}
    last = max(step for curve in series.values() for step, _ in curve)
    high = 1.0 if metric == "accuracy" else max(v for curve in series.values() for _, v in curve)
    low = min(v for curve in series.values() for _, v in curve) if metric == "accuracy" else 0.0
    parts = [text(left, TOP - 14, metric, "start", "bold"), *grid(left, low, high, last)]
    for (name, curve), color in zip(series.items(), ("#9db4d6", "#c2410c"), strict=True):
        at = [(left + PANEL * s / last, BOTTOM - (BOTTOM - TOP) * (v - low) / (high - low)) for s, v in curve]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        shift = 16 if name == "train" else 0
        label = f"{name} {curve[-1][1]:.3f}"
        middle = TOP + 26 + shift if metric == "loss" else BOTTOM - 30 + shift
        parts.append(f'<text x="{left + PANEL - 8}" y="{middle}" text-anchor="end" fill="{color}">{label}</text>')
    return "".join(parts)


def points(lines: list[dict], name: str) -> list[tuple[int, float]]:
    """(step, value) of one name in metrics.jsonl."""
    return [(line["step"], line[name]) for line in lines if name in line]


def grid(left: float, low: float, high: float, last: int) -> list[str]:
    """Four rules with their values, and the first and last step."""
    parts = [text(left, BOTTOM + 18, "0", "middle"), text(left + PANEL, BOTTOM + 18, f"step {last}", "end")]
    for part in range(4):
        y = BOTTOM - (BOTTOM - TOP) * part / 3
        parts.append(f'<line x1="{left}" x2="{left + PANEL}" y1="{y}" y2="{y}" stroke="#e5e7eb"/>')
        parts.append(text(left - 6, y + 4, f"{low + (high - low) * part / 3:.2f}", "end"))
    return parts


def text(x: float, y: float, words: str, anchor: str, weight: str = "normal") -> str:
    """A label."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="#374151">{words}</text>'


if __name__ == "__main__":
    main(*sys.argv[1:])
