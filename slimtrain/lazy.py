"""Modules that load at first use, so that a layer can be described without starting JAX.

`from slimtrain.lazy import jnp` binds a stand-in that imports `jax.numpy` when one of its attributes is read.
"""

import importlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["Array", "jax", "jnp", "lax", "optax"]


@contextmanager
def signals_after() -> Iterator[None]:
    """Has a signal that Python handles wait for the end of the block: one that raises while jaxlib loads is a crash."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    held = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    for number in held:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import optax
    from jax import Array, lax
else:

    class _Lazy(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if "loaded" not in self.__dict__:
                with signals_after():
                    self.__dict__["loaded"] = importlib.import_module(self.__name__)
            return getattr(self.__dict__["loaded"], name)

    jax, jnp, lax, optax = map(_Lazy, ("jax", "jax.numpy", "jax.lax", "optax"))
    Array = Any
