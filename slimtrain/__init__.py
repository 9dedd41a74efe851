"""slimtrain: TF-Slim reborn on JAX, networks trained from YAML that anyone can read.

    import slimtrain
    document = slimtrain.load("configs/digits.yaml", ["train.epochs=2"])
    print(slimtrain.fit(slimtrain.Request(document)))

Names load at first use, so importing the package starts neither JAX nor numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slimtrain.config.catalog import activation as activation
    from slimtrain.config.catalog import initializer as initializer
    from slimtrain.config.catalog import layer as layer
    from slimtrain.config.catalog import regularizer as regularizer
    from slimtrain.errors import SlimtrainError as SlimtrainError
    from slimtrain.jobs.evaluate import evaluate as evaluate
    from slimtrain.jobs.export import export as export
    from slimtrain.jobs.fit import Request as Request
    from slimtrain.jobs.fit import fit as fit
    from slimtrain.jobs.inspect import inspect as inspect
    from slimtrain.jobs.target import load as load
    from slimtrain.net.scope import Scope as Scope

__version__ = "0.1.0"

_HOMES = {
    "activation": "config.catalog",
    "initializer": "config.catalog",
    "layer": "config.catalog",
    "regularizer": "config.catalog",
    "SlimtrainError": "errors",
    "evaluate": "jobs.evaluate",
    "export": "jobs.export",
    "Request": "jobs.fit",
    "fit": "jobs.fit",
    "inspect": "jobs.inspect",
    "load": "jobs.target",
    "Scope": "net.scope",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'slimtrain' has no attribute '{name}'")
    return getattr(import_module(f"slimtrain.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
