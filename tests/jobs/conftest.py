"""A small net on small arrays, the command line in this process and in others, and one trained run to look at."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from slimtrain.cli import main

SMALL = """\
# A small net with everything that a resume has to carry on: batch norm, dropout, momentum, a schedule, augmentation.
seed: 3
data:
  source: arrays
  train: train.npz
  test: test.npz
  batch_size: 16
  eval_batch_size: 9
  augment: [{random_crop: {pad: 1}}, random_flip_left_right]
model:
  arg_scope:
    - {ops: [conv2d], kernel_size: 3, normalizer_fn: batch_norm, weights_regularizer: {l2: 1.0e-4}}
    - {ops: [batch_norm], decay: 0.8, scale: true}
  layers:
    - conv2d: {num_outputs: 4, scope: conv1}
    - flatten
    - dropout: {keep_prob: 0.7}
    - fully_connected: {num_outputs: 4, activation_fn: null, scope: logits, alias: out}
losses: [sparse_softmax_cross_entropy]
metrics: [accuracy]
optimizer:
  momentum: {momentum: 0.9, learning_rate: {exponential_decay: {initial: 0.05, decay_steps: 50, decay_rate: 0.9}}}
train: {steps: 24, log_every: 5, eval_every: 8, checkpoint_every: 6, keep: 2}
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def cli() -> Callable[..., Outcome]:
    """The command line, in this process."""

    def run(*words: object) -> Outcome:
        result = CliRunner().invoke(main, [str(w) for w in words], prog_name="slimtrain")
        assert "Traceback" not in result.stderr
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="session")
def spawn() -> Callable[..., "subprocess.Popen[str]"]:
    """The command line, in a process of its own."""

    def start(*words: object, **more: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "slimtrain.cli", *map(str, words)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, **(pipes | more))

    return start


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small net's config; its data lies beside it."""
    folder = tmp_path_factory.mktemp("small")
    draw = np.random.default_rng(0)
    for name, size in (("train", 96), ("test", 41)):
        label = draw.integers(0, 4, size)
        label[:4] = range(4)
        image = draw.normal(size=(size, 6, 6, 1)) + 0.5 * label[:, None, None, None]
        np.savez(folder / f"{name}.npz", image=image.astype(np.float32), label=label)
    (folder / "small.yaml").write_text(SMALL)
    return folder / "small.yaml"


@pytest.fixture(scope="session")
def trained(small: Path, cli: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A finished run of the small net, to be read only, and what the command said."""
    run = tmp_path_factory.mktemp("trained") / "run"
    outcome = cli("fit", small, "--run-dir", run, "--json")
    assert outcome.code == 0, outcome.err
    return run, outcome


@pytest.fixture(scope="session")
def run(trained: tuple[Path, Outcome]) -> Path:
    """The finished run's directory."""
    return trained[0]
