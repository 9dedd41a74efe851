"""`train.skip_non_finite`: what a step that is left out leaves, how many may be; without it nothing changes."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import kept, layers, numbers, same_bits

from slimtrain.errors import CheckpointError
from slimtrain.train.devices import compiled_train_step, compiled_train_steps
from slimtrain.train.held import Chosen, Held
from slimtrain.train.skips import REMEMBERED
from slimtrain.train.state import from_arrays, to_arrays
from slimtrain.train.step import attempt, blank, start, train_step

NET = """[fully_connected: {num_outputs: 5, scope: a, normalizer_fn: batch_norm},
          fully_connected: {num_outputs: 3, activation_fn: null, scope: b}]"""
BASE = "losses: [softmax_cross_entropy]\noptimizer: {adam: {learning_rate: {exponential_decay: "
BASE += "{initial: 0.1, decay_steps: 1, decay_rate: 0.5}}}}\n"
SKIPS = "{skip_non_finite: 2, ema: 0.9}"
PLAIN = "{ema: 0.9}"


@cache
def task(train=SKIPS):
    return layers(NET, (4,), f"{BASE}train: {train}").task


@cache
def stepper(train=SKIPS):
    return compiled_train_step(task(train))


def batch(seed=0, value=None):
    found = {"image": numbers(6, 4, seed=seed), "label": np.array([0, 1, 2, 0, 1, 2], np.int32)}
    if value is not None:
        found["image"][2, 1] = value
    return found


def trained(values, train=SKIPS, state=None):
    """(state after a step on each batch, the metrics of each); a value stands in the batch where it is not None."""
    state = start(task(train), 0) if state is None else state
    told = []
    for number, value in enumerate(values):
        state, metrics = stepper(train)(state, batch(number, value))
        told.append(metrics)
    return state, told


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_skipped_step_leaves_everything_but_the_step_and_the_counts(value):
    before = kept(trained([None, None])[0])
    state, metrics = stepper()(jax.tree.map(jnp.asarray, before), batch(2, value))
    same = {"step": before.step, "skips": before.skips}
    assert same_bits(state._replace(**same), before)
    assert (int(state.step), bool(state.finite), bool(metrics["finite"])) == (3, True, True)
    assert (int(state.skips.row), int(state.skips.total)) == (1, 1) == (1, int(metrics["skipped_steps"]))
    assert state.skips.first.tolist() == [3, 0, 0] and len(state.skips.first) == REMEMBERED
    assert not np.isfinite(metrics["loss"])


def test_the_weights_move_as_if_the_skipped_batch_had_never_been():
    state, told = trained([None, np.nan, None])
    without = start(task(PLAIN), 0)
    for number in (0, 2):
        without, metrics = stepper(PLAIN)(without, batch(number))
    # Without dropout nothing but the batches tells one step from another.
    for name in ("parameters", "statistics", "optimizer", "averages"):
        for one, other in zip(
            jax.tree.leaves(getattr(state, name)), jax.tree.leaves(getattr(without, name)), strict=True
        ):
            np.testing.assert_allclose(one, other, 1e-6, 1e-7)
    assert float(told[2]["learning_rate"]) == float(metrics["learning_rate"]) == pytest.approx(0.05)


def test_one_more_in_a_row_than_allowed_is_refused_with_the_state_before_it():
    state, told = trained([np.nan, None, np.nan, np.inf])
    assert [bool(m["finite"]) for m in told] == [True] * 4
    before = kept(state)
    assert (before.skips.row, before.skips.total, before.step) == (2, 3, 4)
    state, metrics = stepper()(state, batch(4, np.nan))
    assert not bool(metrics["finite"]) and same_bits(state._replace(finite=before.finite), before)
    state, metrics = stepper()(state, batch(5))
    assert not bool(metrics["finite"]) and same_bits(state._replace(finite=before.finite), before)


def test_only_the_first_skipped_steps_are_named():
    state, _ = trained([np.nan, None] * (REMEMBERED + 2))
    assert state.skips.first.tolist() == [1, 3, 5] and int(state.skips.total) == REMEMBERED + 2


def test_several_steps_at_once_skip_the_same_ones():
    images = np.stack([batch(n, np.nan if n in (1, 3) else None)["image"] for n in range(4)]).reshape(24, 4)
    held = Held({"image": images, "label": np.tile(batch()["label"], 4)}, None)
    rows = np.arange(24, dtype=np.int32).reshape(4, 6)
    state, metrics = compiled_train_steps(task())(start(task(), 0), Chosen(held, rows, {}))
    one, _ = trained([None, np.nan, None, np.nan])
    assert same_bits(state.skips, one.skips) and int(metrics["skipped_steps"]) == 2
    for first, second in zip(jax.tree.leaves(state), jax.tree.leaves(one), strict=True):
        np.testing.assert_allclose(first, second, 1e-5, 1e-6)


def test_nothing_changes_without_the_key():
    the = task(PLAIN)
    state = start(the, 0)
    assert state.skips is None and not [n for n in to_arrays(state) if "skip" in n]
    assert "skipped_steps" not in jax.eval_shape(lambda s: train_step(the, s, batch()), state)[1]
    assert same_bits(jax.tree.leaves(state), jax.tree.leaves(start(task(), 0)._replace(skips=None)))


def test_the_key_may_come_and_go_in_a_run():
    with_counts, without = trained([np.nan])[0], start(task(PLAIN), 0)
    began = from_arrays(to_arrays(without), blank(task()))
    assert int(began.skips.total) == 0 and same_bits(began._replace(skips=None), without)
    ended = from_arrays(to_arrays(with_counts), blank(task(PLAIN)))
    assert ended.skips is None and int(ended.step) == 1
    with pytest.raises(CheckpointError, match="'skips/total' is float32"):
        from_arrays({**to_arrays(with_counts), "skips/total": np.float32(1)}, blank(task()))


def test_a_moment_that_overflows_is_not_finite_though_no_weight_is():
    the = task(PLAIN)
    large = batch()
    heavy = layers(NET, (4,), BASE.replace("softmax_cross_entropy", "{softmax_cross_entropy: {weight: 1.0e25}}"))
    tried = jax.jit(lambda state: attempt(heavy.task, state, large))(start(heavy.task, 0))
    assert all(np.isfinite(value).all() for value in jax.tree.leaves((tried.moved, tried.found)))
    assert not all(np.isfinite(value).all() for value in jax.tree.leaves(tried.new.optimizer))
    state, metrics = compiled_train_step(heavy.task)(start(heavy.task, 0), large)
    assert not bool(metrics["finite"]) and int(state.step) == 0
    assert the.train.skip_non_finite is None
