"""The rate of a float32 matrix product, 2048 by 2048, in GFLOP/s, in JAX or in PyTorch: `matmul.py jax|torch`."""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

SIZE = 2048
TIMES = 20


def in_jax(left: np.ndarray, right: np.ndarray) -> Callable[[], Any]:
    import jax

    product, given = jax.jit(jax.numpy.dot), [jax.device_put(left), jax.device_put(right)]
    return lambda: product(*given).block_until_ready()


def in_torch(left: np.ndarray, right: np.ndarray) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    given = [torch.from_numpy(left), torch.from_numpy(right)]
    return lambda: torch.mm(*given)


def best(run: Callable[[], Any]) -> float:
    """The shortest time of a product, in seconds."""
    run()
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


name = sys.argv[1]
random = np.random.RandomState(0)
left, right = (random.standard_normal((SIZE, SIZE)).astype(np.float32) for _ in range(2))
seconds = best({"jax": in_jax, "torch": in_torch}[name](left, right))
print(json.dumps({"gflops": round(2e-9 * SIZE**3 / seconds, 1), "versions": {name: version(name)}}))
