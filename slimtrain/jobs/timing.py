"""`slimtrain time`: how long a train step and an evaluation step take, on synthetic data; and each layer by itself."""

import resource
import statistics as stats
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from slimtrain.config.document import Document
from slimtrain.config.records import LayerPlan, Plan
from slimtrain.errors import ConfigError, Problem
from slimtrain.jobs.build import ABSTRACT_BATCH, Network, layer_fields, make_task, need_training, network
from slimtrain.jobs.lowered import ways
from slimtrain.jobs.peak import product
from slimtrain.jobs.starting import need_ready
from slimtrain.jobs.talk import QUIET, Talk
from slimtrain.lazy import jax, jnp
from slimtrain.machine import cores
from slimtrain.memory import give_back
from slimtrain.net.graph import forward
from slimtrain.net.passes import apply, declare, init
from slimtrain.train.devices import (
    compile_ahead,
    compiled_eval_step,
    compiled_train_step,
    environment,
    finished,
    memory_of,
)
from slimtrain.train.step import State, Task, blank, start, train_step

Timed = dict[str, float]


def measure(document: Document, count: int, batch: int | None, per_layer: bool, talk: Talk = QUIET) -> dict[str, Any]:
    """Times the compiled steps, and a large matrix product between them.

    Operations of a train step are counted as three times the forward pass's: that, and a gradient by the inputs and one
    by the weights, of as many each. The batch lies on the device, the state is given away as in training.

    Args:
        document: the config.
        count: timed runs of each step, after two that are not timed.
        batch: examples in a batch; the config's where None.
        per_layer: time each layer's forward and backward pass by itself too; isolated times don't add up to the step's.
        talk: where warnings go.

    Raises:
        ConfigError: nothing to train, or a batch that does not divide.
        SlimtrainError: JAX computes something wrong on this machine.
    """
    size = _batch_size(document, batch)
    net = network(document)
    task = make_task(document, net)
    need_ready(talk)
    fields = synthetic(document, net, task, size)
    form = blank(task)
    lowerings = ways(partial(train_step, task), form, fields)
    steps = _step_times(task, form, document.seed, fields, count, 3 * net.declaration.flops // ABSTRACT_BATCH * size)
    layers = list(document.plan.layers()) if per_layer else []
    peak = steps["peak_gflops"]
    return {
        "batch": size,
        **steps,
        "lowerings": lowerings,
        "layers": [
            {"lowering": lowerings.get(layer.path, ""), **_layer_times(document, net, layer, size, count, peak)}
            for layer in layers
        ],
    }


def _batch_size(document: Document, batch: int | None) -> int:
    need_training(document)
    assert document.data is not None
    size = batch or document.data.batch_size
    if size % document.train.accumulate:
        told = f"{document.train.accumulate} parts (train.accumulate) do not divide a batch of {size}"
        raise ConfigError(Problem("--batch", told, "give a multiple of it"))
    return size


def _step_times(task: Task, form: State, seed: int, fields: Any, count: int, operations: int) -> dict[str, Any]:
    """What is known of the whole steps; `form` is the state's, `operations` are the train step's."""
    began = time.monotonic()
    train = compile_ahead(compiled_train_step(task), form, fields)
    evaluate = compile_ahead(compiled_eval_step(task), form.parameters, form.statistics, fields)
    compiled = time.monotonic() - began
    multiply, product_operations = product()
    held = [start(task, seed)]
    runs = [stepper(train, held, fields), lambda: evaluate(held[0].parameters, held[0].statistics, fields), multiply]
    give_back()
    trained, evaluated, multiplied = in_turns(runs, count)
    peak = gflops(product_operations, multiplied["min"])
    rate = gflops(operations, trained["min"])
    return {
        "train_step_ms": trained,
        "eval_step_ms": evaluated,
        "compile_s": round(compiled, 3),
        "device": str(environment()["device"]),
        "threads": cores(),
        "train_step_flops": operations,
        "train_step_gflops": rate,
        "peak_gflops": peak,
        "share_of_peak": _share(rate, peak),
        "peak_memory_bytes": memory_of(train),
        "resident_memory_bytes": resident_memory(),
    }


def gflops(operations: int, milliseconds: float) -> float:
    """10^9 operations a second, to four digits."""
    return _four_digits(operations / milliseconds / 1e6) if milliseconds else 0.0


def _share(rate: float, peak: float) -> float:
    return _four_digits(rate / peak) if peak else 0.0


def _four_digits(number: float) -> float:
    return float(f"{number:.4g}")


def synthetic(document: Document, net: Network, task: Task, size: int) -> dict[str, Any]:
    """A batch of random images, a label for each row of outputs, and ones for the fields of weights."""
    random = np.random.default_rng(0)
    image = random.standard_normal((size, *net.shape)).astype(net.dtype)
    outputs = net.declaration.output_shape
    labels = random.integers(0, max(outputs[-1], 2), (size, *outputs[1:-1])).astype(np.int32)
    others = {name: np.ones(size, np.float32) for name in {*layer_fields(document), *task.objective.weight_fields()}}
    fields = {name: labels for name in task.objective.fields()} | others | {"image": image}
    return jax.device_put(fields)  # type: ignore[no-any-return]


def in_turns(runs: Sequence[Callable[[], Any]], count: int) -> list[Timed]:
    """Minimum and median of the times of functions, in milliseconds; each runs `count` times, and twice before.

    They take turns in three rounds, so that a slow moment of the machine falls on all of them.
    """
    times: list[list[float]] = [[] for _ in runs]
    for each in np.array_split(np.arange(count), min(3, count)):
        for run, taken in zip(runs, times, strict=True):
            for _ in range(1 if taken else 2):
                finished(run())
            taken += [_milliseconds(run) for _ in each]
    return [{"min": round(min(taken), 3), "median": round(stats.median(taken), 3)} for taken in times]


def _milliseconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    finished(run())
    return 1e3 * (time.perf_counter() - began)


def stepper(train: Any, held: list[State], fields: Any) -> Callable[[], Any]:
    """A function that takes the next train step each time; `held` holds the one state that is not used up."""

    def one() -> Any:
        held[0], metrics = train(held[0], fields)
        return metrics

    return one


def resident_memory() -> int:
    """The most memory that this process has held so far, in bytes, as the system counts it."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def _layer_times(
    document: Document, net: Network, layer: LayerPlan, size: int, count: int, peak: float
) -> dict[str, Any]:
    """A layer's forward and backward time on random inputs of its own shape, and its share of the peak."""
    shape, dtype = net.declaration.inputs[layer.path]
    plan = Plan((_alone(layer),), "", None, dtype, layer.mark)
    run = forward(plan, document.catalog)
    declared = declare(run, (size, *shape[1:]), dtype)
    parameters, statistics = init(declared.specs, jax.random.key(0))
    inputs = jnp.asarray(np.random.default_rng(0).standard_normal((size, *shape[1:])), dtype)
    others = {name: jnp.ones(size) for name in layer_fields(document)}

    def out(parameters: Any, inputs: Any) -> Any:
        batch, key = {"image": inputs, **others}, jax.random.key(0)
        return apply(run, parameters, statistics, batch, training=True, key=key)[0]

    def back(parameters: Any, inputs: Any) -> Any:
        outputs, pull = jax.vjp(out, parameters, inputs)
        return outputs, pull(jnp.ones_like(outputs))  # the outputs too, or the compiler leaves the forward pass out

    ahead, both = in_turns([partial(jax.jit(f), parameters, inputs) for f in (out, back)], count)
    rate = gflops(3 * declared.flops, both["min"])
    return {
        "name": layer.path,
        "op": layer.op.name,
        "flops": declared.flops,
        "forward_ms": ahead["median"],
        "backward_ms": max(0.0, round(both["median"] - ahead["median"], 3)),
        "gflops": rate,
        "share_of_peak": _share(rate, peak),
    }


def _alone(layer: LayerPlan) -> LayerPlan:
    return replace(layer, words=replace(layer.words, inputs=(), reuse=False))
