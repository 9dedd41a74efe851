"""The edge where functions are compiled: one jit a function."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from slimtrain.lazy import Array, jax, jnp, lax
from slimtrain.net.native_calls import in_use
from slimtrain.net.passes import Arrays, regularization
from slimtrain.train.held import Chosen, taken
from slimtrain.train.objective import Sum
from slimtrain.train.recalibrate import recalibration_step
from slimtrain.train.step import State, Task, at_once, eval_step, train_step

TrainStep = Callable[[State, Any], tuple[State, dict[str, Any]]]
EvalStep = Callable[[Arrays, Arrays, Any], tuple[dict[str, Sum], Array]]


def compiled_train_step(task: Task) -> TrainStep:
    """`train_step(state, batch) -> (state, metrics)`.

    The state that goes in may be used up; the batch may be Chosen.
    """

    def step(state: State, batch: Any) -> tuple[State, dict[str, Any]]:
        return train_step(task, state, taken(batch))

    return jax.jit(_called("train_step", step), donate_argnums=_given_away(task))


def compiled_train_steps(task: Task) -> TrainStep:
    """`train_steps(state, batches) -> (state, metrics)`: a step on each of several Chosen batches, in one dispatch.

    The metrics are those of the last step, or of the first that was refused; `skipped` counts the steps after it.
    Not for CPUs: their compiler falls back to naive loops for convolutions inside of loops.
    """

    def steps(state: State, batches: Chosen) -> tuple[State, dict[str, Any]]:
        def one(state: State, rows: tuple[Any, Any]) -> tuple[State, dict[str, Any]]:
            return train_step(task, state, taken(Chosen(batches.held, *rows)))

        state, metrics = lax.scan(one, state, (batches.which, batches.own))
        last = len(batches.which) - 1
        told = jnp.minimum(jnp.sum(metrics["finite"]), last)
        return state, {**jax.tree.map(lambda values: values[told], metrics), "skipped": last - told}

    return jax.jit(_called("train_steps", steps), donate_argnums=0)


def compiled_eval_step(task: Task) -> EvalStep:
    """`eval_step(parameters, statistics, batch) -> (sums, the regularization losses)`; the batch may be Chosen."""

    def step(parameters: Arrays, statistics: Arrays, batch: Any) -> tuple[dict[str, Sum], Array]:
        # Both in one program: another for the regularization would have to be compiled too.
        sums = eval_step(task, parameters, statistics, taken(batch))
        return sums, regularization(task.specs, parameters)

    return jax.jit(_called("eval_step", step))


def _given_away(task: Task) -> tuple[int, ...]:
    """Which arguments of a train step are donated: the state, but where the native part leaves a new one where it is.

    A new state that is checked once it is there has to be written beside the old one in any case; XLA would copy it to
    where the old one was. What is frozen it would copy if it were not donated.
    """
    if at_once(task):
        return (0,)
    moved = all(name in task.trained for name, spec in task.specs.items() if not spec.statistic)
    return () if task.train.check_numerics and moved and in_use() else (0,)


def _called(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under a name, which JAX's logs and profiles show."""
    function.__name__ = name
    return function


def compiled_recalibration_step(task: Task, collections: tuple[str, ...]) -> Callable[..., Arrays]:
    """`recalibration_step(parameters, statistics, batch, passes) -> statistics`."""
    return jax.jit(partial(recalibration_step, task, collections))


def compile_ahead(step: Any, *arguments: Any) -> Any:
    """A jitted function, compiled for arguments of these shapes; they may be abstract."""
    return step.lower(*arguments).compile()


def finished(value: Any) -> None:
    """Waits until the device has computed a value."""
    jax.block_until_ready(value)  # type: ignore[no-untyped-call]


def room() -> int:
    """Bytes of memory that are free where arrays are put; 0 where that is not known."""
    told = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in told:
        return int(told["bytes_limit"]) - int(told.get("bytes_in_use", 0))
    if jax.default_backend() == "cpu" and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0


def environment() -> Mapping[str, Any]:
    """Versions and devices, for the run's record."""
    devices = jax.devices()
    return {
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "device": devices[0].device_kind,
        "devices": len(devices),
    }


def memory_of(compiled: Any) -> int:
    """Bytes that a compiled function holds at once, as the compiler plans it; 0 where it does not say."""
    told = compiled.memory_analysis()
    parts = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    total = sum(int(getattr(told, part, 0)) for part in parts)
    return max(total - int(getattr(told, "alias_size_in_bytes", 0)), 0)
