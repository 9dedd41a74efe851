"""Where batches come from: the device where the split lives there, else the host; the same ones either way."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from nets import same_bits

from slimtrain.jobs import stream
from slimtrain.jobs.begin import prepare
from slimtrain.jobs.feed import Feed
from slimtrain.jobs.stream import Stream, evaluation, training
from slimtrain.jobs.target import load
from slimtrain.train.held import taken

NET = """\
seed: 5
data: {source: arrays, train: train.npz, test: test.npz, batch_size: 6, eval_batch_size: 4}
model: {layers: [flatten, {fully_connected: {num_outputs: 3, activation_fn: null, scope: out}}]}
losses: [sparse_softmax_cross_entropy]
metrics: [accuracy]
optimizer: {sgd: 0.1}
train: {steps: 9}
"""
HELD = {
    "as it is": (np.float32, []),
    "bytes": (np.uint8, []),
    "bytes as numbers": (np.uint8, ["data.preprocess=[{rescale: {scale: 0.0078125, offset: -1.0}}]"]),
    "channels": (np.uint8, ["data.preprocess=[{standardize: {mean: [125, 123], std: [63, 62]}}]"]),
    "both": (np.uint8, ["data.preprocess=[rescale, {standardize: {mean: [0.5], std: [0.25]}}]"]),
    "in order": (np.uint8, ["data.shuffle=false"]),
}
"""Types of images with settings for which the device takes its batches itself."""
MADE = {
    "at random": (np.uint8, ["data.augment=[random_flip_left_right]"]),
    "numbers": (np.float32, ["data.preprocess=[rescale]"]),
    "by image": (np.uint8, ["data.preprocess=[per_image_standardization]"]),
    "resized": (np.uint8, ["data.preprocess=[{resize: 3}]"]),
}


def feed(folder: Path, dtype: Any, words: list[str]) -> Feed:
    draw = np.random.default_rng(0)
    for name, size in (("train", 31), ("test", 13)):
        image, label = draw.integers(0, 256, (size, 5, 4, 2)).astype(dtype), draw.integers(0, 3, size)
        np.savez(folder / f"{name}.npz", image=image, label=label)
    (folder / "net.yaml").write_text(NET)
    return prepare(load(folder / "net.yaml", words)).batches


def batches_of(made: Stream, count: int) -> list[Any]:
    take = jax.jit(taken)
    with made.open(count) as at:
        return [take(at(number)) for number in range(count)]


@pytest.mark.parametrize("kind", [*HELD, *MADE])
def test_batches_are_the_hosts_wherever_they_come_from(kind: str, tmp_path: Path) -> None:
    dtype, words = (HELD | MADE)[kind]
    host = feed(tmp_path, dtype, words)
    train, test = training(host), evaluation(host, "test")
    assert train.held == (kind in HELD) and (train.count, test.count) == (5, 4)
    assert test.held == (kind in HELD or kind == "at random")
    wanted = [host.train_batch(host.split("train"), step) for step in range(12)]
    assert same_bits(batches_of(train, 12), wanted)
    assert same_bits(batches_of(test, 4), [host.eval_batch(host.split("test"), number) for number in range(4)])
    for made, batch in ((train, wanted[0]), (test, host.eval_batch(host.split("test"), 0))):
        form = jax.eval_shape(taken, made.like)
        assert {n: (v.shape, v.dtype) for n, v in form.items()} == {n: (v.shape, v.dtype) for n, v in batch.items()}


def test_a_split_that_takes_more_than_its_share_of_the_memory_stays_on_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = feed(tmp_path, np.uint8, [])
    size = sum(field.nbytes for field in host.split("train").fields.values()) + 2 * stream.TABLE_BYTES
    monkeypatch.setattr(stream, "room", lambda: 4 * size)
    assert training(host).held
    monkeypatch.setattr(stream, "room", lambda: 4 * size - 1)
    assert not training(host).held and evaluation(host, "test").held


def test_a_step_out_of_order_is_the_same_batch(tmp_path: Path) -> None:
    host = feed(tmp_path, np.uint8, [])
    made = training(host)
    with made.open(100) as at:
        late = jax.jit(taken)(at(77))
    assert same_bits(late, host.train_batch(host.split("train"), 77))
