"""Small networks from config text, for the tests of the rooms `net` and `train`."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slimtrain.config.document import Document, check
from slimtrain.config.text import read_text
from slimtrain.data.batches import eval_batch, eval_count
from slimtrain.data.records import Split
from slimtrain.jobs.build import Network, make_task, network
from slimtrain.jobs.builtin import catalog
from slimtrain.net.passes import apply, init, split
from slimtrain.net.scope import Record, Scope
from slimtrain.train.objective import added, metric_sums, metric_values, objective, on_host
from slimtrain.train.step import Task


@dataclass(frozen=True)
class Net:
    """A config as far as it is built: document, network, task."""

    document: Document
    network: Network
    task: Task

    @property
    def specs(self):
        return self.task.specs

    def start(self, seed=0):
        """Fresh variables by name."""
        parameters, statistics = init(self.specs, jax.random.key(seed))
        return {**parameters, **statistics}

    def random(self, seed=0):
        """Random variables by name, all positive, without compiling anything."""
        draw = np.random.default_rng(seed)
        return {n: np.asarray(0.5 + draw.random(s.shape), np.float32) for n, s in self.specs.items()}

    def run(self, variables, inputs, training=False, seed=0, **fields):
        """One pass, compiled: (output, variables after it, end points)."""
        return self.compiled(training)(variables, {"image": jnp.asarray(inputs), **fields}, seed)

    def compiled(self, training):
        return jax.jit(partial(self.plain, training=training))

    def plain(self, variables, fields, seed=0, *, training):
        """One pass, for a test to transform."""
        parameters, statistics = split(self.specs, variables)
        output, after, end_points = apply(
            self.task.forward,
            parameters,
            statistics,
            fields,
            training=training,
            key=jax.random.key(seed),
            want=None,
            update_ops=self.task.train.update_ops,
            scope=self.task.scope,
        )
        return output, {**parameters, **after}, end_points


def read(text: str) -> Document:
    """A whole config text, checked."""
    return check(Path("net.yaml"), read_text(text, "net.yaml"), catalog())


def whole(text: str) -> Net:
    """The network and task of a whole config text."""
    document = read(text)
    net = network(document)
    return Net(document, net, make_task(document, net))


def layers(items: str, shape: Any = (4, 4, 2), more: str = "", dtype: str = "float32") -> Net:
    """A net of these items, a YAML list in flow form; `more` are further lines of the config."""
    model = f"model: {{input: {{shape: {list(shape)}, dtype: {dtype}}}, layers: {items}}}"
    return whole(f"{model}\n{more}")


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """float32 numbers from a normal distribution."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def same_bits(one: Any, other: Any) -> bool:
    """Whether two trees of arrays are equal bit for bit, NaN included."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def kept(tree: Any) -> Any:
    """A copy on the host, for what is going to be donated."""
    return jax.tree.map(np.array, tree)


def scope(op: str = "layer", training: bool = True, key: Any = None, fields: Any = None, **variables: Any) -> Scope:
    """A scope `here` of one pass with the given variables, to call a layer's function in."""
    values = {f"here/{n}": jnp.asarray(v) for n, v in variables.items()}
    return Scope(Record(training, values, fields or {}, key), "here", op=op)


def space(data_format: str) -> tuple[int, int]:
    """The axes of height and width."""
    return (2, 3) if data_format == "NCHW" else (1, 2)


def windows(size: int, kernel: int, stride: int, rate: int, padding: str) -> tuple[int, int, int]:
    """(outputs, padding before, padding after) along one dimension, by TensorFlow's rules."""
    reach = (kernel - 1) * rate + 1
    if padding == "VALID":
        return max(-(-(size - reach + 1) // stride), 0), 0, 0
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + reach - size, 0)
    return outputs, total // 2, total - total // 2


def measured(metrics: str, outputs: Any, size: int = 0, **fields: Any) -> dict[str, Any]:
    """Metrics, a YAML list, of outputs and fields of the data; evaluated in padded batches of `size`."""
    document = read(f"model: {{input: {{shape: [1]}}, layers: [flatten]}}\nmetrics: {metrics}")
    goal = objective((), document.metrics, document.catalog)
    whole = {"output": np.asarray(outputs), **{n: np.asarray(v) for n, v in fields.items()}}
    step = jax.jit(lambda batch: metric_sums(goal, batch["output"], batch, batch))
    split, each = Split(whole), size or len(outputs)
    totals: dict[str, Any] = {}
    for number in range(eval_count(split, each)):
        totals = added(totals, on_host(step(eval_batch(split, number, each))))
    return metric_values(goal, totals)
