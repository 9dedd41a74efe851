"""Compares the configs of TF-Slim's nets with the originals: same weights, same images, every end point, both modes.

The tests never run this; RESULTS.md beside it holds what it found. By hand, in an environment of TensorFlow's own.
The nets of research/slim are on PyPI inside another package:

    python3.11 -m venv /tmp/tf
    /tmp/tf/bin/pip install tensorflow-cpu==2.12.1 tf-slim==1.1.0 'numpy<1.25' pyyaml
    /tmp/tf/bin/pip install --no-deps --target /tmp/slim object-detection-by-ovi==0.0.1
    /tmp/tf/bin/python tests/zoo_parity/compare.py --nets /tmp/slim --slimtrain .venv/bin/slimtrain NET...

All variables are random. Moving averages are drawn around the batch's own, so that activations keep to a sane range in
evaluation mode too. What is random in training is off on both sides: here dropout is replaced by the identity and drop
path keeps everything; in a copy of the configs every `keep_prob` is 1. Batch norm trains as ever. TensorFlow runs in
graph mode on the CPU, without graph rewriting.

Printed are, for each end point, the largest difference over the largest value; in training also the regularization
loss and the moving averages after the pass. The last two lines are the net's rows of RESULTS.md.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

ROOT = Path(__file__).parents[2]
BATCH = 4
# What takes gigabytes an example gets smaller ones; the NASNets' auxiliary kernel follows the size.
SMALLER = ["model.input.shape=[147,147,3]", "params.aux_size=2"]
SHORTER = ["model.input.shape=[16,224,224,3]"]
OVERRIDES = {"nasnet_large": SMALLER, "pnasnet_large": SMALLER, "i3d": SHORTER, "s3dg": SHORTER}
WEIGHT_DECAY = {"lenet": 4e-5}  # where the config takes train_image_classifier's; the net's own is 0
MOVING = ("moving_mean", "moving_variance")
Arrays = dict[str, np.ndarray]


class Built(NamedTuple):
    """A net of TF-Slim's in a graph of its own."""

    session: Any
    images: Any
    end_points: Mapping[str, Any]
    variables: Mapping[str, Any]
    updates: Sequence[Any]
    regularization: Any


@slim.add_arg_scope
def no_dropout(inputs: Any, keep_prob: float = 0.5, is_training: bool = True, scope: Any = None, **more: Any) -> Any:
    """In place of slim.dropout."""
    return inputs


class HParams(types.SimpleNamespace):
    """What the NASNets use of TensorFlow 1's class of that name, without drop path."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**(values | {"drop_path_keep_prob": 1.0}))

    def set_hparam(self, name: str, value: Any) -> None:
        setattr(self, name, value)


def open_nets(folder: Path) -> Any:
    """research/slim's factory of nets, on a TensorFlow that has no contrib and a numpy that has no int."""
    np.int = int
    for name in ("tensorflow.contrib", "tensorflow.contrib.training"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["tensorflow.contrib"].training = sys.modules["tensorflow.contrib.training"]
    sys.modules["tensorflow.contrib.training"].HParams = HParams
    slim.dropout = slim.layers.dropout = no_dropout
    sys.path.insert(0, str(folder))
    from nets import nets_factory

    return nets_factory


def build(factory: Any, name: str, shape: Sequence[int], training: bool) -> Built:
    """The net under its own arg scope with its own weight decay."""
    images = tf.placeholder(tf.float32, [BATCH, *shape], "images")
    classes = json.loads((ROOT / f"tests/nets/{name}.json").read_text())["logits"][-1]
    decay = {"weight_decay": WEIGHT_DECAY[name]} if name in WEIGHT_DECAY else {}
    with slim.arg_scope(factory.arg_scopes_map[name](**decay)):
        logits, points = factory.networks_map[name](images, num_classes=classes, is_training=training)
    return Built(
        session(),
        images,
        {**points, "__output__": logits},
        {v.op.name: v for v in tf.global_variables()},
        list(dict.fromkeys(tf.get_collection("update_ops"))),
        tf.losses.get_regularization_loss(),
    )


def session() -> Any:
    config = tf.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    return tf.Session(config=config)


def random_of(name: str) -> np.random.Generator:
    return np.random.default_rng(crc32(name.encode()))


def drawn(name: str, shape: Sequence[int]) -> np.ndarray:
    """Values of one variable, the same for the same name; kernels keep the variance of what they are given."""
    rng, kind = random_of(name), name.rpartition("/")[2]
    if kind == "gamma":
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    inputs = np.prod(shape[:2]) if kind == "depthwise_weights" else np.prod(shape[:-1])
    scale = np.sqrt(1.5 / inputs) if len(shape) > 1 else 0.1
    return np.asarray(scale * rng.standard_normal(shape), np.float32)


def load(net: Built, values: Arrays) -> None:
    net.session.run(tf.global_variables_initializer())
    for name, variable in net.variables.items():
        variable.load(values[name], net.session)


def moved(net: Built, weights: Arrays, images: np.ndarray, start: float) -> Arrays:
    """The moving averages after one training pass from `start`."""
    names = [n for n in net.variables if n.endswith(MOVING)]
    load(net, weights | {n: np.full_like(weights[n], start) for n in names})
    net.session.run(net.updates, {net.images: images})
    return net.session.run({n: net.variables[n] for n in names})


def weights_for(net: Built, images: np.ndarray) -> Arrays:
    """Random weights, and moving averages around those of the batch: two passes tell these and the decay."""
    weights = {n: drawn(n, v.shape.as_list()) for n, v in net.variables.items()}
    low, high = (moved(net, weights, images, start) for start in (0.0, 1.0))
    batch = {n: low[n] / (1 - np.mean(high[n] - low[n])) for n in low}
    for name in batch:
        noise = random_of(name).uniform(-0.2, 0.2, batch[name].shape).astype(np.float32)
        if name.endswith("variance"):
            weights[name] = batch[name] * (1 + noise) + np.float32(1e-3)
        else:
            weights[name] = batch[name] + noise * np.sqrt(batch[name.replace("mean", "variance")])
    return weights


def original(net: Built, weights: Arrays, images: np.ndarray, training: bool) -> Arrays:
    """What TF-Slim computes, under the names of `slimtrain inspect --dump`."""
    load(net, weights)
    feed = {net.images: images}
    points, penalty, _ = net.session.run([dict(net.end_points), net.regularization, net.updates], feed)
    found = {f"end_points/{n}": v for n, v in points.items()}
    if not training:  # some nets then have no auxiliary head, and so another penalty
        return found
    after = net.session.run({n: v for n, v in net.variables.items() if n.endswith(MOVING)})
    return found | {f"variables/{n}": v for n, v in after.items()} | {"losses/regularization": np.asarray(penalty)}


class Ours(NamedTuple):
    """A config without dropout, and the command to read it with."""

    command: Sequence[str]
    config: Path
    overrides: Sequence[str]

    def inspect(self, *more: str) -> str:
        words = [*self.command, "inspect", str(self.config), *self.overrides, "--json", *more]
        return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def without_dropout(configs: Path, folder: Path) -> Path:
    """A copy of the configs in which every dropout keeps everything."""
    folder.mkdir()
    for file in configs.glob("*.yaml"):
        (folder / file.name).write_text(re.sub(r"keep_prob: [^,}\s]+", "keep_prob: 1.0", file.read_text()))
    return folder


def error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference over the largest value; infinite where the shapes or a number are not alike."""
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return float("inf")
    return float(np.abs(ours.astype(np.float64) - theirs).max() / max(np.abs(theirs).max(), 1e-30))


def modes(factory: Any, name: str, ours: Ours, folder: Path) -> Iterator[tuple[str, dict[str, float], float]]:
    """For each mode: its word, the error of everything compared, the largest logit."""
    shape = json.loads(ours.inspect())["inputs"]["image"][1:]
    images = np.random.default_rng(0).uniform(-1, 1, (BATCH, *shape)).astype(np.float32)
    weights: Arrays = {}
    np.savez(folder / "images.npz", image=images)
    for mode in ("train", "eval"):
        with tf.Graph().as_default():
            net = build(factory, name, shape, mode == "train")
            weights = weights or weights_for(net, images)
            theirs = original(net, weights, images, mode == "train")
            net.session.close()
        np.savez(folder / "weights.npz", **weights)
        files = [f"--{n}={folder / n}.npz" for n in ("weights", "dump")] + [f"--inputs={folder / 'images.npz'}"]
        ours.inspect(*files, *(["--train"] if mode == "train" else []))
        with np.load(folder / "dump.npz") as dump:
            errors = {n: error(dump[n], v) if n in dump.files else float("inf") for n, v in theirs.items()}
        yield mode, errors, float(np.abs(theirs["end_points/__output__"]).max())


def compare(factory: Any, name: str, ours: Ours) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for mode, errors, logit in modes(factory, name, ours, Path(folder)):
            print(*(f"{name} {mode} {n} {e:.1e}" for n, e in errors.items()), sep="\n")
            points = {n.removeprefix("end_points/"): e for n, e in errors.items() if n.startswith("end_points/")}
            worst = max(points, key=lambda n: points[n])
            rest = max((e for n, e in errors.items() if not n.startswith("end_points/")), default=0.0)
            rows.append(
                f"| {name} | {mode} | {len(points) - 1} | {worst} | {points[worst]:.1e}"
                f" | {points['__output__']:.1e} | {logit:.2g} | {f'{rest:.1e}' if mode == 'train' else ''} |"
            )
    print(*rows, sep="\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="+", metavar="NET")
    parser.add_argument("--nets", dest="folder", type=Path, required=True, help="the folder of research/slim's nets")
    parser.add_argument("--slimtrain", default="slimtrain", help="the command, from another environment")
    parser.add_argument("--configs", type=Path, default=ROOT / "configs/nets", help="folder of the configs")
    asked = parser.parse_args()
    tf.disable_eager_execution()
    factory = open_nets(asked.folder)
    with tempfile.TemporaryDirectory() as folder:
        configs = without_dropout(asked.configs, Path(folder) / "nets")
        for name in asked.nets:
            compare(factory, name, Ours(asked.slimtrain.split(), configs / f"{name}.yaml", OVERRIDES.get(name, [])))


if __name__ == "__main__":
    main()
