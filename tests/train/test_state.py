"""A state as arrays by name, and back."""

import jax
import numpy as np
import pytest
from nets import kept, layers, numbers, same_bits

from slimtrain.errors import CheckpointError
from slimtrain.train.devices import compiled_train_step
from slimtrain.train.state import from_arrays, mismatches, to_arrays
from slimtrain.train.step import start

MORE = """
losses: [softmax_cross_entropy]
optimizer: {adam: {learning_rate: {cosine_decay: {initial: 0.1, decay_steps: 9}}}}
"""
TASK = layers("[fully_connected: {num_outputs: 3, scope: a, normalizer_fn: batch_norm}]", (4,), MORE).task
BATCH = {"image": numbers(5, 4), "label": np.array([0, 1, 2, 0, 1], np.int32)}


@pytest.fixture(scope="module")
def step():
    return compiled_train_step(TASK)


@pytest.fixture(scope="module")
def arrays(step):
    return to_arrays(step(start(TASK, 7), BATCH)[0])


def test_names_are_paths_and_values_are_on_the_host(arrays):
    assert {n.split("/")[0] for n in arrays} == {"parameters", "statistics", "optimizer", "step", "seed", "finite"}
    assert {"parameters/a/weights", "statistics/a/BatchNorm/moving_mean", "optimizer/0/mean/a/weights"} <= set(arrays)
    assert all(type(v) is np.ndarray for v in arrays.values())
    assert (arrays["step"], arrays["seed"], arrays["finite"]) == (1, 7, True)


def test_a_round_trip_is_bit_identical_and_goes_on_the_same(step, arrays):
    like = jax.eval_shape(lambda: start(TASK, 0))
    back = from_arrays(arrays, like)
    assert same_bits(to_arrays(back), arrays)
    assert jax.tree.structure(back) == jax.tree.structure(like)
    before = step._cache_size()
    straight, _ = step(step(start(TASK, 7), BATCH)[0], BATCH)
    resumed, _ = step(back, BATCH)
    assert same_bits(straight, resumed)
    assert step._cache_size() == before


def test_it_copies_what_it_is_given(step, arrays):
    given = {n: v.copy() for n, v in arrays.items()}
    back = from_arrays(given, start(TASK, 0))
    held = kept(back)
    for value in given.values():
        value[...] = 0
    assert same_bits(back, held)
    step(back, BATCH)
    assert same_bits(arrays, to_arrays(from_arrays(arrays, start(TASK, 0))))


def test_mismatches_are_all_told_in_order(arrays):
    wanted = dict(arrays)
    got = {n: v for n, v in arrays.items() if n != "seed"} | {"more": np.zeros(2)}
    got["step"] = np.float64(3)
    got["parameters/a/weights"] = np.zeros((4, 2), np.float32)
    told = mismatches(got, wanted)
    assert told == [
        "'seed' is missing",
        "'more' is not wanted",
        "'parameters/a/weights' is float32 [4, 2], not float32 [4, 3]",
        "'step' is float64 [], not int32 []",
    ]
    with pytest.raises(CheckpointError, match="not of this config") as caught:
        from_arrays(got, start(TASK, 0))
    assert all(one in str(caught.value) for one in told)


def test_many_mismatches_are_counted():
    with pytest.raises(CheckpointError, match=r"; and \d+ more"):
        from_arrays({}, start(TASK, 0))
