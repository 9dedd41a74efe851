"""Hostile configs: every shipped one and those of the golden cases, damaged; and texts made to hurt. None trains.

A try reads a config with overrides, checks it as `slimtrain check` does (shapes by abstract evaluation too, where the
net is small), and where it is accepted resolves it, reads that again, and explains a value.
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from soak import damage
from soak.confined import Draw, Try, confined
from soak.hostile import OVERRIDES, TEXTS, VALUES, WORDS
from soak.tally import Tally

from slimtrain.backend import prepare
from slimtrain.config.document import Document, read
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.check import _shapes, arguments_by_key, explain, explained, resolved_as

ROOT = Path(__file__).parents[2]
NETS = ROOT / "configs" / "nets"
FEW_LAYERS = 40


@dataclass(frozen=True)
class Base:
    """A config to damage: where it is, its bytes, its tree of values."""

    path: Path
    data: bytes
    tree: Any


def soak(count: int, seed: int, workers: int) -> Tally:
    """So many hostile configs."""
    return confined("configs", count, seed, workers)


def cases(seed: int, kept: Path) -> Draw:
    """What a try is drawn by."""
    del seed
    prepare()
    catalog()
    small = list(bases([*ROOT.glob("configs/*.yaml"), *ROOT.glob("slimtrain/templates/*.yaml"), *golden()]))
    nets = list(bases(sorted(NETS.glob("*.yaml"))))
    others = [node for base in small for node in parts(base.tree)]
    return partial(drawn, small, nets, others)


def golden() -> list[Path]:
    """The configs of the golden cases."""
    return sorted(p for folder in ("golden", "golden_more") for p in (ROOT / "tests" / folder).glob("*/config.yaml"))


def bases(paths: list[Path]) -> Iterator[Base]:
    for path in sorted(paths):
        yield Base(path, path.read_bytes(), yaml.safe_load(path.read_bytes()))


def parts(tree: Any) -> Iterator[Any]:
    """What stands in a tree of values below its top."""
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield inner
        yield from parts(inner)


def drawn(small: list[Base], nets: list[Base], others: list[Any], draw: random.Random, folder: Path) -> Try:
    """A try: what it is, and what it does."""
    base = draw.choice(nets if draw.random() < 0.05 else small)
    other = draw.choice(small)
    kind = draw.choices(["bytes", "words", "numbers", "values", "by hand", "overrides"], [15, 20, 10, 40, 4, 8])[0]
    overrides: tuple[str, ...] = ()
    what = f"config: {kind}"
    if kind == "by hand":
        name, made = draw.choice(TEXTS)
        what, data = f"{what}, {name}", made(draw, folder)
    elif kind == "overrides":
        data = base.data
        overrides = tuple(override(draw, base.tree) for _ in range(draw.choice([1, 1, 2, 5])))
    else:
        data = _DAMAGE[kind](draw, base, other, others)
    path = folder / "net.yaml"
    if data is not None:
        path.write_bytes(data)
    if base.path.parent == NETS:
        for net in NETS.iterdir():
            os.symlink(net, folder / net.name)
    return what, partial(look, path, overrides, draw.random() < 0.5, draw)


def _bytes(draw: random.Random, base: Base, other: Base, others: list[Any]) -> bytes:
    return damage.bytes_of(draw, base.data, other.data)


def _words(draw: random.Random, base: Base, other: Base, others: list[Any]) -> bytes:
    return damage.words_of(draw, base.data, other.data, WORDS)


def _numbers(draw: random.Random, base: Base, other: Base, others: list[Any]) -> bytes:
    return damage.numbers_of(draw, base.data.decode()).encode()


def _values(draw: random.Random, base: Base, other: Base, others: list[Any]) -> bytes:
    tree = damage.tree_of(draw, base.tree, VALUES, others)
    # JSON is YAML but for numbers that are not finite.
    text = json.dumps(tree, allow_nan=True, ensure_ascii=draw.random() < 0.5)
    return text.replace("Infinity", ".inf").replace("NaN", ".nan").encode("utf-8", "surrogatepass")


_DAMAGE: dict[str, Callable[..., bytes]] = {"bytes": _bytes, "words": _words, "numbers": _numbers, "values": _values}


def override(draw: random.Random, tree: Any) -> str:
    """An override that names a place of the config, or nearly, or is hostile by itself."""
    if draw.random() < 0.3:
        return draw.choice(OVERRIDES)
    path = []
    while isinstance(tree, (dict, list)) and tree and draw.random() < 0.85:
        key = draw.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        path.append(str(key))
        tree = tree[key]
    if draw.random() < 0.3:
        path.append(str(draw.choice([*WORDS, *damage.KEYS])))
    value = json.dumps(draw.choice([*VALUES, *damage.PLACES])) if draw.random() < 0.7 else draw.choice(WORDS)
    sign = draw.choice(["", "", "", "+", "~"])
    return f"{sign}{'.'.join(path)}" + (f"={value}" if sign != "~" or draw.random() < 0.1 else "")


def look(path: Path, overrides: tuple[str, ...], shapes: bool, draw: random.Random) -> None:
    """Checks, resolves and explains the config."""
    document = read(path, overrides, catalog())
    few = sum(1 for _ in document.plan.layers()) <= FEW_LAYERS
    if shapes and few:
        # Other jobs let its errors through; `check` tells them.
        problems = _shapes(document)
        assert all(str(problem).isprintable() for problem in problems)
    if few and draw.random() < 0.3:
        again(document, path, draw)


def again(document: Document, path: Path, draw: random.Random) -> None:
    """What is resolved has to be read again, and to mean the same."""
    values, text = resolved_as(document, draw.random() < 0.5)
    path.write_text(text, "utf-8")
    same, _ = resolved_as(read(path, (), catalog()), False)
    assert repr(same) == repr(values), "resolved, and read again, it is another config"
    explained(explain(document, draw.choice(sorted(arguments_by_key(document)))))
