"""The native part: kernels in C++ for one CPU, built on the user's machine the first time that they are wanted.

`ready()` says whether they are there, and is all that the rest needs. `state()` says why not.
"""

import os
import threading
from functools import lru_cache
from typing import NamedTuple

from slimtrain.native import build

SWITCH = "SLIMTRAIN_NATIVE"
"""Set to 0, this variable leaves the native part out."""


class State(NamedTuple):
    """Whether the native part is in use, and a sentence for people: which, or why not and what to do."""

    ready: bool
    told: str


_loading = threading.Lock()


def ready() -> bool:
    """Whether JAX knows the native part's targets; the first call builds and loads them."""
    return state().ready


def state() -> State:
    """The native part's state; the first call builds and loads it, which may take half a minute."""
    with _loading:
        return _state()


def built() -> bool:
    """Whether the next call of `state` will be quick: nothing is to be built."""
    if os.environ.get(SWITCH) == "0":
        return True
    try:
        return build.place(build.recipe()).exists()
    except build.Unavailable:
        return True


@lru_cache(maxsize=1)
def _state() -> State:
    if os.environ.get(SWITCH) == "0":
        return State(False, f"convolutions: XLA ({SWITCH}=0)")
    try:
        library = build.library()
        build.register(library)
    except build.Unavailable as reason:
        return State(False, f"convolutions: XLA ({reason})")
    return State(True, f"convolutions: oneDNN and kernels of our own ({library})")
