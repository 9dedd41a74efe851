"""Examples that the device takes out of a split that lives on it: the bits that the host would have handed over."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import kept, layers, same_bits

from slimtrain.data.batches import batch_at, chosen_at
from slimtrain.data.preprocess.images import rescale, standardize
from slimtrain.data.preprocess.pipeline import apply, table_of
from slimtrain.data.records import Split
from slimtrain.train.devices import compiled_eval_step, compiled_train_step, compiled_train_steps
from slimtrain.train.held import Chosen, Held, stacked, taken
from slimtrain.train.step import start

BASE = "losses: [sparse_softmax_cross_entropy]\nmetrics: [accuracy]\noptimizer: {momentum: 0.05}\n"
NETS = {
    "mlp": "[flatten, {fully_connected: {num_outputs: 16, scope: a}}, {dropout: {keep_prob: 0.8}},"
    " {fully_connected: {num_outputs: 4, activation_fn: null, scope: b}}]",
    "conv": "[{conv2d: {num_outputs: 4, kernel_size: 3, normalizer_fn: batch_norm, scope: a}}, "
    "{max_pool2d: {kernel_size: 2}}, flatten, {fully_connected: {num_outputs: 4, activation_fn: null, scope: b}}]",
    "norm": "[batch_norm: {scope: n}, flatten, {fully_connected: {num_outputs: 4, activation_fn: null, scope: b}}]",
}


def split(kind, size=37):
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (size, 6, 6, 2), dtype=np.uint8)
    images = images.astype(np.float32) / 7 if kind == "plain" else images
    return Split({"image": images, "label": draw.integers(0, 4, size).astype(np.int32)})


def held(kind):
    table = None if kind == "plain" else table_of(PARTS[kind], 2)
    return jax.device_put(Held(dict(split(kind).fields), table))


def standardized(images):
    return standardize(images, mean=(120.0, 10.0), std=(70.0, 3.0))


standardized.__slimtrain__ = standardize.__slimtrain__
PARTS = {"bytes": [rescale], "channels": [rescale, standardized], "plain": []}


def on_host(kind, step):
    batch = batch_at(split(kind), step, batch_size=8, seed=1, shuffle=True)
    return batch | {"image": apply(PARTS[kind], batch["image"])}


def on_device(kind, step, where):
    which = chosen_at(37, step, batch_size=8, seed=1, shuffle=True)
    return Chosen(where, which.astype(np.int32), {})


@pytest.mark.parametrize("kind", PARTS)
def test_a_batch_has_the_hosts_bits(kind):
    where, take = held(kind), jax.jit(taken)
    for step in range(7):
        assert same_bits(take(on_device(kind, step, where)), on_host(kind, step))


def test_what_is_its_own_goes_along_and_a_batch_that_is_whole_stays():
    mask = np.array([1, 0], np.float32)
    found = jax.jit(taken)(Chosen(held("plain"), np.array([3, 3], np.int32), {"mask": mask}))
    assert set(found) == {"image", "label", "mask"} and same_bits(found["mask"], mask)
    assert taken({"image": mask}) == {"image": mask}


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("net", NETS)
def test_a_run_ends_with_the_same_bits_either_way(net, kind):
    task = layers(NETS[net], (6, 6, 2), BASE).task
    step, evaluate, where = compiled_train_step(task), compiled_eval_step(task), held(kind)
    one, other = start(task, 0), start(task, 0)
    for number in range(12):
        one, told = step(one, on_host(kind, number))
        other, said = step(other, on_device(kind, number, where))
        assert same_bits(told, said)
    assert same_bits(one, other)
    ends = [evaluate(*one[:2], batch(kind, 3, *more)) for batch, *more in ((on_host,), (on_device, where))]
    assert same_bits(*ends)


@pytest.mark.parametrize("words", ["{}", "{ema: 0.9, accumulate: 2, summarize_gradients: true}"])
def test_several_steps_in_one_dispatch_are_the_steps_one_by_one(words):
    task = layers(NETS["mlp"], (6, 6, 2), f"{BASE}train: {words}").task
    step, several, where = compiled_train_step(task), compiled_train_steps(task), held("bytes")
    one, other = start(task, 0), start(task, 0)
    for first in (0, 4):
        for number in range(first, first + 4):
            one, told = step(one, on_device("bytes", number, where))
        other, said = several(other, stacked([on_device("bytes", n, where) for n in range(first, first + 4)]))
        assert int(said.pop("skipped")) == 0
        assert jax.tree.structure(told) == jax.tree.structure(said)
        assert same_bits(told, said) and same_bits(one, other)


def test_of_several_steps_the_first_that_is_refused_is_told():
    task = layers(NETS["mlp"], (6, 6, 2), BASE).task
    where = held("plain")
    where = where._replace(fields={**where.fields, "image": where.fields["image"].at[5].set(jnp.nan)})
    rows = [np.full(2, row, np.int32) for row in (1, 2, 5, 3, 4)]
    state, told = compiled_train_steps(task)(start(task, 0), stacked([Chosen(where, row, {}) for row in rows]))
    assert (bool(told["finite"]), int(told["skipped"]), int(state.step)) == (False, 2, 2)
    assert np.isnan(told["loss"])
    want = start(task, 0)
    for row in rows[:2]:
        want, _ = compiled_train_step(task)(want, Chosen(where, row, {}))
    assert same_bits(kept(want.parameters), state.parameters)
