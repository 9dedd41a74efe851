import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimtrain.data.batches import Batch, batch_at, eval_batch, eval_count, order, steps_per_epoch
from slimtrain.data.records import Pictures, Split
from slimtrain.errors import DataError

sizes = st.integers(1, 200)
seeds = st.integers(0, 2**64 - 1)


def numbered(size: int) -> Split:
    return Split({"image": np.arange(size * 2.0).reshape(size, 2), "label": np.arange(size)})


def eval_batches(split: Split, batch_size: int) -> list[Batch]:
    return [eval_batch(split, number, batch_size) for number in range(eval_count(split, batch_size))]


@given(sizes, seeds, st.integers(0, 1000))
def test_an_order_is_a_permutation(size: int, seed: int, epoch: int) -> None:
    assert sorted(order(size, seed, epoch, True)) == list(range(size))


@given(seeds, st.integers(0, 1000))
def test_epochs_and_seeds_differ(seed: int, epoch: int) -> None:
    first = order(100, seed, epoch, True).tolist()
    assert first != order(100, seed, epoch + 1, True).tolist()
    assert first != order(100, seed ^ 1, epoch, True).tolist()


def test_without_shuffle_the_order_is_that_of_the_files() -> None:
    assert order(5, 1, 2, False).tolist() == [0, 1, 2, 3, 4]


def test_an_order_cannot_be_changed_by_who_gets_it() -> None:
    with pytest.raises(ValueError, match="read-only"):
        order(5, 1, 2, True)[0] = 9


@given(sizes, seeds, st.data())
def test_an_epoch_of_batches_is_the_start_of_its_order(size: int, seed: int, data: st.DataObject) -> None:
    batch_size, epoch = data.draw(st.integers(1, size)), data.draw(st.integers(0, 3))
    steps, split = steps_per_epoch(size, batch_size), numbered(size)
    batches = [batch_at(split, epoch * steps + n, batch_size=batch_size, seed=seed, shuffle=True) for n in range(steps)]
    seen = np.concatenate([b["label"] for b in batches])
    assert seen.tolist() == order(size, seed, epoch, True)[: steps * batch_size].tolist()
    assert all((b["image"][:, 0] == 2 * b["label"]).all() for b in batches)


@given(sizes, seeds, st.data())
def test_a_resumed_run_sees_what_an_uninterrupted_one_sees(size: int, seed: int, data: st.DataObject) -> None:
    batch_size, stop = data.draw(st.integers(1, size)), data.draw(st.integers(0, 11))
    split = numbered(size)

    def run(steps: range) -> list[list[int]]:
        order.cache_clear()
        return [batch_at(split, n, batch_size=batch_size, seed=seed, shuffle=True)["label"].tolist() for n in steps]

    assert run(range(12)) == run(range(stop)) + run(range(stop, 12))


def test_each_epoch_drops_other_examples() -> None:
    dropped = {frozenset(order(10, 0, epoch, True)[8:].tolist()) for epoch in range(10)}
    assert len(dropped) > 3


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_fresh(shuffle: bool) -> None:
    split = numbered(6)
    batch = batch_at(split, 0, batch_size=6, seed=0, shuffle=shuffle)
    batch["image"][:] = -1
    assert split.fields["image"].min() == 0
    assert batch_at(split, 0, batch_size=6, seed=0, shuffle=shuffle)["image"].min() == 0


def test_a_batch_larger_than_the_split_is_refused() -> None:
    with pytest.raises(DataError, match=r"data.batch_size: a batch of 8 is more .* 5 .*; set .* to 5 or less"):
        steps_per_epoch(5, 8)


@given(sizes, st.integers(1, 250))
def test_an_evaluation_counts_each_example_once_in_order(size: int, batch_size: int) -> None:
    batches = eval_batches(numbered(size), batch_size)
    assert {len(array) for b in batches for array in b.values()} == {batch_size}
    counted = np.concatenate([b["label"][b["mask"] == 1] for b in batches])
    assert counted.tolist() == list(range(size))
    assert sum(b["mask"].sum() for b in batches) == size
    assert all(b["mask"].dtype == np.float32 for b in batches)
    assert all((b["label"][b["mask"] == 0] == size - 1).all() for b in batches)


def test_evaluation_batches_are_fresh() -> None:
    split = numbered(4)
    eval_batch(split, 0, 4)["image"][:] = -1
    assert split.fields["image"].min() == 0


def test_pictures_are_chosen_and_not_read() -> None:
    def read(number: int) -> np.ndarray:
        raise AssertionError(number)

    split = Split({"image": Pictures(read, np.arange(6)), "label": np.arange(6)})
    batch = batch_at(split, 1, batch_size=2, seed=3, shuffle=True)
    assert batch["image"].numbers.tolist() == batch["label"].tolist()
    assert eval_batch(split, 1, 4)["image"].numbers.tolist() == [4, 5, 5, 5]
