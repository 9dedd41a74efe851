"""The edge where functions are compiled: one jit a function, the state donated."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from slimtrain.lazy import jax
from slimtrain.net.passes import Arrays
from slimtrain.train.objective import Sum
from slimtrain.train.recalibrate import recalibration_step
from slimtrain.train.step import Batch, State, Task, eval_step, train_step

TrainStep = Callable[[State, Batch], tuple[State, dict[str, Any]]]
EvalStep = Callable[[Arrays, Arrays, Batch], dict[str, Sum]]


def compiled_train_step(task: Task) -> TrainStep:
    """`train_step(state, batch) -> (state, metrics)`; the state that goes in is used up."""
    return jax.jit(partial(train_step, task), donate_argnums=0)


def compiled_eval_step(task: Task) -> EvalStep:
    """`eval_step(parameters, statistics, batch) -> sums`."""
    return jax.jit(partial(eval_step, task))


def compiled_recalibration_step(task: Task, collections: tuple[str, ...]) -> Callable[..., Arrays]:
    """`recalibration_step(parameters, statistics, batch, passes) -> statistics`."""
    return jax.jit(partial(recalibration_step, task, collections))


def compile_ahead(step: Any, *arguments: Any) -> Any:
    """A jitted function, compiled for arguments of these shapes; they may be abstract."""
    return step.lower(*arguments).compile()


def finished(value: Any) -> None:
    """Waits until the device has computed a value."""
    jax.block_until_ready(value)  # type: ignore[no-untyped-call]


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
