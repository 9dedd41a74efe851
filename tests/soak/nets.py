"""What the soaks train: small nets that have everything a resume must carry on, on data made here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
CONFIG = """\
seed: 3
data:
  {data}
  batch_size: 16
  eval_batch_size: 9
  augment: [{{random_crop: {{pad: 1}}}}, random_flip_left_right]
model:
  arg_scope:
    - {{ops: [conv2d], kernel_size: 3, normalizer_fn: batch_norm, weights_regularizer: {{l2: 1.0e-4}}}}
    - {{ops: [batch_norm], decay: 0.8, scale: true}}
  layers:
    - conv2d: {{num_outputs: 4, scope: conv1}}
    - flatten
    - dropout: {{keep_prob: 0.7}}
    - fully_connected: {{num_outputs: 4, activation_fn: null, scope: logits}}
losses: [sparse_softmax_cross_entropy]
metrics: [accuracy]
optimizer:
  momentum: {{momentum: 0.9, learning_rate: {{exponential_decay: {{initial: 0.05, decay_steps: 50, decay_rate: 0.9}}}}}}
train: {{steps: 24, log_every: 5, eval_every: 8, checkpoint_every: 6, keep: 2}}
"""
MORE = ("optimizer={adam: {learning_rate: 0.01}}", "train.ema=0.8", "train.accumulate=2", "train.keep=1")


def commands(folder: Path) -> dict[str, list[str]]:
    """The nets by name, as words after `slimtrain fit`; what they need is made in the folder."""
    draw = np.random.default_rng(0)
    for name, size in (("train", 96), ("test", 41)):
        label = np.concatenate([np.arange(4), draw.integers(0, 4, size - 4)])
        image = draw.normal(size=(size, 6, 6, 1)) + 0.5 * label[:, None, None, None]
        np.savez(folder / f"{name}.npz", image=image.astype(np.float32), label=label)
        pictures(folder / "pictures" / name, label, draw)
    arrays = config(folder / "arrays.yaml", "source: arrays\n  train: train.npz\n  test: test.npz")
    files = config(folder / "pictures.yaml", "source: image_folder\n  path: pictures\n  channels: 1")
    return {
        "arrays, momentum, batch norm, dropout": [arrays],
        "arrays, Adam, averages, parts of batches": [arrays, *MORE],
        "image files": [files],
        "digits": [str(ROOT / "configs" / "digits.yaml"), "~train.epochs", "+train.steps=60", "train.log_every=7"],
    }


def config(path: Path, data: str) -> str:
    """Writes the config, on this data; gives where it is."""
    path.write_text(CONFIG.format(data=data))
    return str(path)


def pictures(folder: Path, labels: np.ndarray, draw: np.random.Generator) -> None:
    """PNG files of 6 x 6 gray pixels, a folder a class."""
    for number, label in enumerate(labels):
        path = folder / f"class{label}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 100 + 50 * label, (6, 6), dtype=np.uint8)).save(path)


@contextmanager
def kept_programs(folder: Path) -> Iterator[None]:
    """Has processes keep all that they compile in a folder, for those that come after."""
    told = {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    with patch.dict(os.environ, told):
        yield
