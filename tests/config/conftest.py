"""A small catalog of described functions that are never run, and readers of config texts on it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from slimtrain.config import catalog as describe
from slimtrain.config import values as v
from slimtrain.config.document import check
from slimtrain.config.overrides import apply_override, parse_override
from slimtrain.config.text import read_text
from slimtrain.errors import ConfigError


@describe.activation()
def relu(inputs): ...


@describe.activation()
def tanh(inputs): ...


@describe.activation()
def leaky_relu(inputs, *, alpha: v.Number = 0.2): ...


@describe.initializer()
def zeros(key, shape, dtype): ...


@describe.initializer(main="stddev")
def truncated_normal(key, shape, dtype, *, stddev: v.Positive = 1.0, mean: v.Number = 0.0): ...


@describe.regularizer(main="scale")
def l2(weights, *, scale: v.NonNegative):
    """Half the sum of squares.

    Args:
        scale: factor on the sum.
    """


@describe.regularizer()
def l1_l2(weights, *, scale_l1: v.NonNegative = 1.0, scale_l2: v.NonNegative = 1.0): ...


@describe.layer(scope="Conv", alias="convolution2d")
def conv2d(
    scope,
    inputs,
    *,
    num_outputs: v.Count,
    kernel_size: v.Size2D,
    stride: v.Size2D = (1, 1),
    padding: v.Padding = "SAME",
    activation_fn: v.Activation | None = relu,
    normalizer_fn: v.Normalizer | None = None,
    normalizer_params: v.NormalizerArguments | None = None,
    weights_initializer: v.Initializer = zeros,
    weights_regularizer: v.Regularizer | None = None,
):
    """Adds a convolution.

    Args:
        num_outputs: channels that come out.
        kernel_size: height and width of the kernel.
    """


@describe.layer(scope="fully_connected")
def fully_connected(
    scope,
    inputs,
    *,
    num_outputs: v.Count,
    activation_fn: v.Activation | None = relu,
    normalizer_fn: v.Normalizer | None = None,
    normalizer_params: v.NormalizerArguments | None = None,
    weights_regularizer: v.Regularizer | None = None,
): ...


@describe.layer(scope="BatchNorm", normalizer=True)
def batch_norm(
    scope,
    inputs,
    *,
    decay: v.Fraction = 0.999,
    scale: bool = False,
    epsilon: v.Positive = 0.001,
    is_training: bool | None = None,
): ...


@describe.layer(scope="LayerNorm", normalizer=True)
def layer_norm(scope, inputs, *, center: bool = True): ...


@describe.layer(scope="MaxPool2D")
def max_pool2d(scope, inputs, *, kernel_size: v.Size2D, stride: v.Size2D = (2, 2)): ...


@describe.layer(scope="Flatten")
def flatten(scope, inputs): ...


@describe.layer(scope="Dropout")
def dropout(scope, inputs, *, keep_prob: v.KeepFraction = 0.5): ...


@describe.join()
def concat(branches, *, axis: int = -1): ...


@describe.join()
def add(branches, *, activation_fn: v.Activation | None = None): ...


@describe.join()
def multiply(branches): ...


@describe.join()
def residual(branches, *, activation_fn: v.Activation | None = None): ...


@describe.loss()
def softmax_cross_entropy(logits, labels, *, label_smoothing: v.Fraction = 0.0): ...


@describe.metric()
def accuracy(logits, labels): ...


@describe.metric(main="k")
def top_k(logits, labels, *, k: v.Count = 5): ...


@describe.schedule(main="value")
def constant(step, *, value: v.NonNegative): ...


@describe.schedule()
def exponential_decay(step, *, initial: v.NonNegative, decay_steps: v.Count, decay_rate: v.Positive): ...


@describe.optimizer()
def sgd(*, learning_rate: v.Schedule): ...


@describe.optimizer()
def momentum(*, learning_rate: v.Schedule, momentum: v.Fraction = 0.9): ...


@describe.source(shape=(8, 8, 1))
def digits(): ...


@describe.source()
def arrays(*, train: v.FilePath, image: v.FieldName = "image"): ...


@describe.source()
def folder(*, path: v.FolderPath, order: Literal["name", "size"] = "name"): ...


@describe.preprocess(main="scale")
def rescale(images, *, scale: v.Number = 1.0): ...


TOYS = SimpleNamespace(**{k: f for k, f in globals().items() if hasattr(f, "__slimtrain__")})


@pytest.fixture(scope="session")
def toys():
    """The catalog of the functions above."""
    return describe.Catalog.of([TOYS])


@pytest.fixture(scope="session")
def document(toys):
    """A config's text, with overrides, as a Document; its file is called `net.yaml`."""

    def read(text: str, *overrides: str):
        node = read_text(text, "net.yaml", Path("/configs"))
        for number, override in enumerate(overrides, 1):
            node = apply_override(node, parse_override(override, number), lambda above: ())
        return check(Path("net.yaml"), node, toys)

    return read


@pytest.fixture(scope="session")
def problems(document):
    """What a user reads when a config is wrong, a line each; empty for one that is right."""

    def told(text: str) -> list[str]:
        try:
            document(text)
        except ConfigError as error:
            return [str(p) for p in error.problems]
        return []

    return told


@pytest.fixture(scope="session")
def plan(document):
    """The plan of a model's `layers`, given as YAML flow or block text; `top` is put before the model."""

    def build(layers: str, top: str = "", model: str = ""):
        body = "\n".join("    " + line for line in layers.strip("\n").split("\n"))
        return document(f"{top}\nmodel:\n  {model or 'scope: null'}\n  layers:\n{body}\n").plan

    return build


@pytest.fixture(scope="session")
def paths(plan):
    """The scope paths of all layers of a plan, in order."""

    def found(layers: str, **more: str) -> list[str]:
        return [layer.path for layer in plan(layers, **more).layers()]

    return found
