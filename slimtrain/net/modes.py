"""Ways to run a network: some variables frozen, in another precision, its statistics averaged anew, end points probed.
Each makes one forward function of another."""

from collections.abc import Mapping
from dataclasses import replace

from slimtrain.lazy import Array, jnp
from slimtrain.net.graph import Forward
from slimtrain.net.scope import Scope


def freezing(forward: Forward, names: frozenset[str]) -> Forward:
    """The network with these variables frozen: declared as not trained, and a batch norm of theirs does not train."""

    def run(scope: Scope, inputs: Array) -> Array:
        return forward(replace(scope, frozen=names), inputs)

    return run


def computing_in(forward: Forward, dtype: str) -> Forward:
    """The network with floating-point inputs cast to a type, which its layers then compute in."""

    def run(scope: Scope, inputs: Array) -> Array:
        floating = jnp.issubdtype(inputs.dtype, jnp.floating)
        return forward(scope, inputs.astype(dtype) if floating else inputs)

    return run


def averaging(forward: Forward, passes: Array) -> Forward:
    """The network whose moving statistics are plain means: of `passes` batches that went before and of this one."""

    def run(scope: Scope, inputs: Array) -> Array:
        return forward(replace(scope, passes=passes), inputs)

    return run


def probing(forward: Forward, probes: Mapping[str, Array], seen: dict[str, Array]) -> Forward:
    """The network with probes added to outputs by path; all end points of a pass are put into `seen`."""

    def run(scope: Scope, inputs: Array) -> Array:
        scope.record.probes = probes
        outputs = forward(scope, inputs)
        seen.update(scope.record.named)
        return outputs

    return run
