"""Batches that are made before they are wanted, by threads that end with the block that started them."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from slimtrain.data.preprocess.pipeline import Each
from slimtrain.machine import cores as cores

T = TypeVar("T")
AHEAD = 2
"""How many batches are made or kept before they are wanted."""


@contextmanager
def workers(count: int) -> Iterator[Each]:
    """Threads that share the calls for the examples of a batch.

    What they give does not depend on `count`: each call stands for itself and has its place in the list.
    """
    with ThreadPoolExecutor(count, "slimtrain-images") as pool:
        yield lambda function, examples: _shared(pool, count, function, examples)


def _shared(pool: Executor, parts: int, function: Callable[[int], Any], examples: int) -> list[Any]:
    found: list[Any] = [None] * examples

    def some(first: int) -> None:
        for number in range(first, examples, parts):
            found[number] = function(number)

    for done in [pool.submit(some, first) for first in range(min(parts, examples))]:
        done.result()
    return found


@contextmanager
def ahead(make: Callable[[int], T], stop: int) -> Iterator[Callable[[int], T]]:
    """A function that gives `make(number)`, and meanwhile has the next few made in a thread.

    Errors come out where the number is asked for. At the end of the block nothing more is made.

    Args:
        make: a function of the number alone; called in order where it is asked in order.
        stop: the first number that nobody will ask for.
    """
    executor = ThreadPoolExecutor(1, "slimtrain-batches")
    coming: dict[int, Future[T]] = {}

    def at(number: int) -> T:
        for wanted in range(number, min(number + 1 + AHEAD, stop)):
            if wanted not in coming:
                coming[wanted] = executor.submit(make, wanted)
        return coming.pop(number).result()

    try:
        yield at
    finally:
        executor.shutdown(cancel_futures=True)
