"""`slimtrain time`: how long a train step and an evaluation step take, on synthetic data; and each layer by itself."""

import statistics as stats
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from slimtrain.config.document import Document
from slimtrain.config.records import LayerPlan, Plan
from slimtrain.errors import ConfigError, Problem
from slimtrain.jobs.build import Network, layer_fields, make_task, need_training, network
from slimtrain.jobs.lowered import ways
from slimtrain.lazy import jax, jnp
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
from slimtrain.train.step import Task, start, train_step

Timed = dict[str, float]


def measure(document: Document, count: int, batch: int | None, per_layer: bool) -> dict[str, Any]:
    """Times the compiled steps.

    Args:
        document: the config.
        count: timed runs of each step, after two that are not timed.
        batch: examples in a batch; the config's where None.
        per_layer: time each layer's forward and backward pass by itself too; isolated times don't add up to the step's.
    """
    need_training(document)
    assert document.data is not None
    size = batch or document.data.batch_size
    if size % document.train.accumulate:
        told = f"{document.train.accumulate} parts (train.accumulate) do not divide a batch of {size}"
        raise ConfigError(Problem("--batch", told, "give a multiple of it"))
    net = network(document)
    task = make_task(document, net)
    fields = synthetic(document, net, task, size)
    state = start(task, document.seed)
    began = time.monotonic()
    train = compile_ahead(compiled_train_step(task), state, fields)
    evaluate = compile_ahead(compiled_eval_step(task), state.parameters, state.statistics, fields)
    compiled = time.monotonic() - began
    evaluated = repeat(lambda: evaluate(state.parameters, state.statistics, fields), count)
    return {
        "batch": size,
        "train_step_ms": _train_times(train, state, fields, count),
        "eval_step_ms": evaluated,
        "compile_s": round(compiled, 3),
        "device": str(environment()["device"]),
        "peak_memory_bytes": memory_of(train),
        "lowerings": ways(partial(train_step, task), state, fields),
        "layers": [_layer_times(document, net, layer, size, count) for layer in _layers(document, per_layer)],
    }


def _layers(document: Document, wanted: bool) -> list[LayerPlan]:
    return list(document.plan.layers()) if wanted else []


def synthetic(document: Document, net: Network, task: Task, size: int) -> dict[str, Any]:
    """A batch of random images, a label for each row of outputs, and ones for the fields of weights."""
    random = np.random.default_rng(0)
    image = random.standard_normal((size, *net.shape)).astype(net.dtype)
    outputs = net.declaration.output_shape
    labels = random.integers(0, max(outputs[-1], 2), (size, *outputs[1:-1])).astype(np.int32)
    others = {name: np.ones(size, np.float32) for name in {*layer_fields(document), *task.objective.weight_fields()}}
    fields = {name: labels for name in task.objective.fields()} | others | {"image": image}
    return jax.device_put(fields)  # type: ignore[no-any-return]


def repeat(run: Callable[[], Any], count: int) -> Timed:
    """Minimum and median of the times of a function, in milliseconds; two further runs go before."""
    times = []
    for _ in range(count + 2):
        began = time.perf_counter()
        finished(run())
        times.append(1e3 * (time.perf_counter() - began))
    return {"min": round(min(times[2:]), 3), "median": round(stats.median(times[2:]), 3)}


def _train_times(train: Any, state: Any, fields: Any, count: int) -> Timed:
    held = [state]

    def one() -> Any:
        held[0], metrics = train(held[0], fields)
        return metrics

    return repeat(one, count)


def _layer_times(document: Document, net: Network, layer: LayerPlan, size: int, count: int) -> dict[str, Any]:
    """A layer's forward and backward time on random inputs of its own shape."""
    shape, dtype = net.declaration.inputs[layer.path]
    plan = Plan((_alone(layer),), "", None, dtype, layer.mark)
    run = forward(plan, document.catalog)
    parameters, statistics = init(declare(run, (size, *shape[1:]), dtype).specs, jax.random.key(0))
    inputs = jnp.asarray(np.random.default_rng(0).standard_normal((size, *shape[1:])), dtype)
    others = {name: jnp.ones(size) for name in layer_fields(document)}

    def out(parameters: Any, inputs: Any) -> Any:
        batch, key = {"image": inputs, **others}, jax.random.key(0)
        return apply(run, parameters, statistics, batch, training=True, key=key)[0]

    def back(parameters: Any, inputs: Any) -> Any:
        outputs, pull = jax.vjp(out, parameters, inputs)
        return pull(jnp.ones_like(outputs))

    ahead = repeat(partial(jax.jit(out), parameters, inputs), count)
    both = repeat(partial(jax.jit(back), parameters, inputs), count)
    backward = max(0.0, round(both["median"] - ahead["median"], 3))
    return {"name": layer.path, "op": layer.op.name, "forward_ms": ahead["median"], "backward_ms": backward}


def _alone(layer: LayerPlan) -> LayerPlan:
    return replace(layer, words=replace(layer.words, inputs=(), reuse=False))
