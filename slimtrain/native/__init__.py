"""The native part: kernels in C++ for one CPU, built on the user's machine the first time that they are wanted.

`ready()` says whether they are there, and is all that the rest needs. `state()` says why not.
"""

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

from slimtrain.native import build

SWITCH = "SLIMTRAIN_NATIVE"
"""Set to 0, this variable leaves the native part out."""


WIDEST = 16
"""Floats in the widest vectors of a CPU: the native part's own kernels write whole ones."""


class State(NamedTuple):
    """The native part: how many floats its vectors have, 0 where it is not in use, and a sentence for people.

    The sentence says which it is, or why there is none and what to do.
    """

    lanes: int
    told: str

    @property
    def ready(self) -> bool:
        """Whether it is in use."""
        return bool(self.lanes)


_loading = threading.Lock()
_known: list[State] = []


def ready() -> bool:
    """Whether JAX knows the native part's targets; the first call builds and loads them."""
    return state().ready


def lanes() -> int:
    """Floats in the vectors that the native part's own kernels work on, 4, 8 or 16; 0 where it is not in use."""
    return state().lanes


def state(building: Callable[[], None] = lambda: None) -> State:
    """The native part's state; the first call builds and loads it.

    Args:
        building: called before it is built, which may take half a minute; not where it was built before.
    """
    with _loading:
        if not _known:
            _known.append(_loaded(building))
        return _known[0]


def _loaded(building: Callable[[], None]) -> State:
    if os.environ.get(SWITCH) == "0":
        return State(0, f"convolutions: XLA ({SWITCH}=0)")
    try:
        library = build.library(building)
        found = build.register(library)
    except build.Unavailable as reason:
        return State(0, f"convolutions: XLA ({reason})")
    return State(found, f"convolutions: oneDNN and kernels of our own ({library})")
