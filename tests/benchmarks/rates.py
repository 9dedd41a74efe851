"""The rate of a float32 matrix product on this machine, taken between the rounds: in slimtrain's JAX and in PyTorch."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.processes import run

SCRIPT = Path(__file__).parent / "peers" / "matmul.py"

Products = Sequence[Mapping[str, Mapping[str, Any]]]


def product_rates(interpreters: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """What the script answers in each library that is here, once."""
    where = {"jax": Path(sys.executable)} | {name: path for name, path in interpreters.items() if name == "torch"}
    return {name: run([str(path), str(SCRIPT), name]).answer for name, path in where.items()}


def best(products: Products) -> tuple[str, float]:
    """(library with its version, GFLOP/s) of the best product of all."""
    name, told = max((pair for taken in products for pair in taken.items()), key=lambda pair: pair[1]["gflops"])
    return f"{name} {told['versions'][name]}", told["gflops"]
