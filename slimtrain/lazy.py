"""Modules that load at first use, so that a layer can be described without starting JAX.

`from slimtrain.lazy import jnp` binds a stand-in that imports `jax.numpy` when one of its attributes is read.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["Array", "jax", "jnp", "lax", "optax"]

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import optax
    from jax import Array, lax
else:

    class _Lazy(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self.__name__), name)

    jax, jnp, lax, optax = map(_Lazy, ("jax", "jax.numpy", "jax.lax", "optax"))
    Array = Any
