"""The train step: the threading rule, what a refused step leaves, what is trained, and that it compiles once."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import kept, layers, numbers, same_bits

from slimtrain.errors import ConfigError
from slimtrain.jobs.builtin import catalog
from slimtrain.net.native_calls import in_use
from slimtrain.net.passes import apply, regularization
from slimtrain.train.devices import compiled_eval_step, compiled_train_step
from slimtrain.train.objective import added, metric_values, on_host
from slimtrain.train.step import evaluated, fresh, start

NET = """[fully_connected: {num_outputs: 5, scope: a, normalizer_fn: batch_norm, normalizer_params: {decay: 0.9},
                            weights_regularizer: {l2: 0.1}},
          dropout: {keep_prob: 0.8},
          fully_connected: {num_outputs: 3, activation_fn: null, scope: b}]"""
BASE = "losses: [softmax_cross_entropy]\nmetrics: [accuracy]\noptimizer: {momentum: {learning_rate: 0.1}}\n"


@cache
def task(train="{}", base=BASE, items=NET):
    return layers(items, (4,), f"{base}train: {train}").task


@cache
def stepper(train="{}", base=BASE, items=NET):
    return compiled_train_step(task(train, base, items))


def batch(seed=0):
    return {"image": numbers(6, 4, seed=seed), "label": np.array([0, 1, 2, 0, 1, 2], np.int32)}


def bad(value=np.nan):
    broken = batch()
    broken["image"][2, 1] = value
    return broken


def test_new_statistics_come_from_this_batch_and_the_weights_before_the_step():
    the, state = task(), start(task(), 0)
    key = jax.random.fold_in(jax.random.key(state.seed), state.step)
    before = kept(state)
    want = apply(the.forward, state.parameters, state.statistics, batch(), training=True, key=key)
    new, metrics = stepper()(state, batch())
    for name, value in want[1].items():
        np.testing.assert_allclose(new.statistics[name], value, 1e-5, 1e-6)
        assert np.any(np.asarray(value) != before.statistics[name])
    targets = np.eye(3)[batch()["label"]]
    loss = -(targets * np.asarray(jax.nn.log_softmax(want[0]))).sum(-1).mean()
    loss += float(regularization(the.specs, before.parameters))
    assert float(metrics["loss"]) == pytest.approx(loss, rel=1e-5)
    assert all(np.any(np.asarray(new.parameters[n]) != before.parameters[n]) for n in new.parameters)
    assert (int(new.step), bool(new.finite)) == (1, True)
    assert float(metrics["learning_rate"]) == pytest.approx(0.1)
    parts = {"losses/softmax_cross_entropy", "losses/regularization"}
    assert set(metrics) == {"loss", *parts, "accuracy", "learning_rate", "finite"}
    assert float(metrics["loss"]) == pytest.approx(sum(float(metrics[name]) for name in parts))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_refused_step_and_all_after_it_leave_every_array_as_it_was(value):
    state, _ = stepper()(start(task(), 0), batch(1))
    before = kept(state)
    state, metrics = stepper()(state, bad(value))
    assert not bool(metrics["finite"]) and not np.isfinite(metrics["loss"])
    for number in range(3):
        assert not bool(state.finite)
        assert same_bits(state._replace(finite=before.finite), before)
        state, metrics = stepper()(state, batch(number))
        assert not bool(metrics["finite"])


def test_statistics_alone_can_refuse_a_step():
    items = "[fully_connected: {num_outputs: 3, scope: a}, tap: {layers: [batch_norm: {scope: t}]}]"
    state = start(task(items=items), 0)
    big = state.parameters | {"a/weights": jnp.full((4, 3), 1e30), "a/biases": jnp.zeros(3)}
    state = state._replace(parameters=big)
    before = kept(state)
    state, metrics = stepper(items=items)(state, batch())
    assert not bool(metrics["finite"])
    assert same_bits(state._replace(finite=before.finite), before)


@pytest.mark.parametrize("optimizer", ["lion", "sgd", "adam"])
def test_a_gradient_that_is_not_finite_refuses_the_step_whatever_the_optimizer_makes_of_it(optimizer):
    items = """[fully_connected: {num_outputs: 5, activation_fn: null}, scale_gradient: {multiplier: 3.0e38},
                scale_gradient: {multiplier: 3.0e38}, fully_connected: {num_outputs: 3, activation_fn: null}]"""
    base = f"losses: [softmax_cross_entropy]\noptimizer: {{{optimizer}: 0.1}}\n"
    state = start(task(base=base, items=items), 0)
    before = kept(state)
    one = {name: values[:1] for name, values in batch().items()}  # of several examples, infinities would make NaN
    state, metrics = stepper(base=base, items=items)(state, one)
    assert np.isfinite(metrics["loss"]) and not bool(metrics["finite"])
    assert same_bits(state._replace(finite=before.finite), before)


def test_check_numerics_false_lets_it_through():
    state, metrics = stepper("{check_numerics: false}")(start(task("{check_numerics: false}"), 0), bad())
    assert bool(state.finite) and bool(metrics["finite"])
    assert np.isnan(state.parameters["b/weights"]).any() and int(state.step) == 1


def test_variables_to_train_leave_the_others_bit_identical():
    words = "{variables_to_train: [b]}"
    state = start(task(words), 0)
    before, steps = kept(state), stepper(words)
    for number in range(2):
        state, _ = steps(state, batch(number))
    moved = {n for n in before.parameters if not same_bits(before.parameters[n], state.parameters[n])}
    assert moved == {"b/weights", "b/biases"}
    assert not same_bits(before.statistics, state.statistics)
    assert all(leaf.size in (1, 15, 3) for leaf in jax.tree.leaves(state.optimizer))
    with pytest.raises(ConfigError, match="'nowhere' matches no variable"):
        task("{variables_to_train: [nowhere]}")


def test_no_update_ops_leave_the_statistics():
    state = start(task("{update_ops: []}"), 0)
    before = kept(state)
    state, _ = stepper("{update_ops: []}")(state, batch())
    assert same_bits(before.statistics, state.statistics)
    assert not same_bits(before.parameters, state.parameters)


def test_multipliers_come_before_clipping():
    words = "{gradient_multipliers: {b/weights: 1000, a: 0}, clip_gradient_norm: 0.5}"
    base = BASE.replace("momentum", "sgd").replace("learning_rate: 0.1", "learning_rate: 1")
    state = start(task(words, base), 0)
    before = kept(state)
    state, _ = stepper(words, base)(state, batch())
    change = {n: np.linalg.norm(np.asarray(v) - before.parameters[n]) for n, v in state.parameters.items()}
    assert change["b/weights"] == pytest.approx(0.5, rel=1e-4)
    assert change["a/weights"] == change["a/BatchNorm/beta"] == 0
    assert 0 < change["b/biases"] < 0.5


@pytest.mark.parametrize("words", ["{}", "{freeze: [a]}", "{check_numerics: false}"])
def test_the_step_compiles_once_and_no_third_state_is_in_memory(words):
    the = task(words)
    state, steps = start(the, 0), compiled_train_step(the)
    for number in range(4):
        old = state
        state, _ = steps(state, batch(number))
        leaves = jax.tree.leaves((old.parameters, old.statistics, old.optimizer))
        # Natively the new state stays where it was written, beside the old one; else the old one's place is taken.
        assert not number or in_use() and words == "{}" or all(leaf.is_deleted() for leaf in leaves)
    assert steps._cache_size() == 1


@pytest.mark.parametrize("name", sorted(catalog().kind("optimizer")))
def test_every_optimizer_compiles_once(name):
    base = BASE.replace("momentum", name)
    items = "[fully_connected: {num_outputs: 3, scope: b}]"
    state, steps = start(task("{}", base, items), 0), compiled_train_step(task("{}", base, items))
    for number in range(3):
        state, metrics = steps(state, batch(number))
    assert steps._cache_size() == 1
    assert bool(metrics["finite"]) and int(state.step) == 3


def test_a_step_depends_on_seed_step_and_batch_only():
    one, other = (stepper()(start(task(), 0), batch())[0] for _ in range(2))
    assert same_bits(one, other)
    later = start(task(), 0)._replace(step=jnp.int32(5))
    seeded = fresh(task(), *start(task(), 0)[:2], 1)
    for changed in (later, seeded):
        assert not same_bits(stepper()(changed, batch())[0].parameters, one.parameters)


def test_batch_norm_learns_the_batch_after_ten_steps_of_decay():
    items = NET.replace("decay: 0.9", "decay: 0.1")
    base = BASE.replace("learning_rate: 0.1", "learning_rate: 0")
    state = start(task("{}", base, items), 0)
    for _ in range(10):
        state, _ = stepper("{}", base, items)(state, batch())
    values = batch()["image"] @ np.asarray(state.parameters["a/weights"])
    np.testing.assert_allclose(state.statistics["a/BatchNorm/moving_mean"], values.mean(0), 1e-4, 1e-5)
    np.testing.assert_allclose(state.statistics["a/BatchNorm/moving_variance"], values.var(0, ddof=1), 1e-4)


def test_an_evaluation_counts_what_the_mask_says_and_adds_up_over_batches():
    state, evaluate = start(task(), 0), compiled_eval_step(task())
    whole, _ = evaluate(state.parameters, state.statistics, {**batch(), "mask": np.ones(6, np.float32)})
    assert set(whole) == {"losses/softmax_cross_entropy", "accuracy"}
    parts = []
    for half in (slice(0, 4), slice(4, 6)):
        padded = {n: np.resize(v[half], (6, *v.shape[1:])) for n, v in batch().items()}
        mask = (np.arange(6) < half.stop - half.start).astype(np.float32)
        parts.append(on_host(evaluate(state.parameters, state.statistics, {**padded, "mask": mask})[0]))
    both = added(*parts)
    for name, one in on_host(whole).items():
        assert one.number == 6 == both[name].number
        np.testing.assert_allclose(one.total, both[name].total, 1e-5)


def test_pinned_dropout_works_in_an_evaluation():
    items = "[dropout: {is_training: true}, fully_connected: {num_outputs: 3, scope: b}]"
    state = start(task(items=items), 0)
    found, _ = compiled_eval_step(task(items=items))(state.parameters, state.statistics, batch())
    assert np.isfinite(found["losses/softmax_cross_entropy"].total)


def test_frozen_weights_and_statistics_stay_and_a_frozen_batch_norm_normalizes_by_its_averages():
    words = "{freeze: [a]}"
    net = layers(NET, (4,), f"{BASE}train: {words}")
    state, steps = start(net.task, 0), compiled_train_step(net.task)
    state = state._replace(statistics={n: v + 0.5 for n, v in state.statistics.items()})
    before = kept(state)
    _, _, points = apply(
        net.task.forward, state.parameters, state.statistics, batch(), training=True, key=jax.random.key(0), want=None
    )
    raw = batch()["image"] @ before.parameters["a/weights"]
    mean, variance = (before.statistics[f"a/BatchNorm/moving_{n}"] for n in ("mean", "variance"))
    np.testing.assert_allclose(points["a/BatchNorm"], (raw - mean) / np.sqrt(variance + 1e-3), 1e-4, 1e-5)
    for number in range(2):
        state, _ = steps(state, batch(number))
    assert same_bits(before.statistics, state.statistics)
    moved = {n for n in before.parameters if not same_bits(before.parameters[n], state.parameters[n])}
    assert moved == {"b/weights", "b/biases"}
    assert net.network.declaration.updates == ()


def test_freezing_one_statistic_freezes_its_batch_norm_and_not_its_weights():
    the = task("{freeze: [moving_variance]}")
    state, steps = start(the, 0), compiled_train_step(the)
    before = kept(state)
    state, _ = steps(state, batch())
    assert same_bits(before.statistics, state.statistics)
    assert not same_bits(before.parameters["a/weights"], state.parameters["a/weights"])
    with pytest.raises(ConfigError, match=r"train.freeze: 'nowhere' matches no variable"):
        task("{freeze: [nowhere]}")


@pytest.mark.parametrize("parts", [2, 3])
def test_a_batch_in_parts_has_the_gradients_of_the_whole_without_batch_norm(parts):
    items = """[fully_connected: {num_outputs: 5, scope: a, weights_regularizer: {l2: 0.1}},
                fully_connected: {num_outputs: 3}]"""
    one, other = (task(f"{{accumulate: {n}}}", items=items) for n in (1, parts))
    whole, told = compiled_train_step(one)(start(one, 0), batch())
    split, said = compiled_train_step(other)(start(other, 0), batch())
    for got, want in zip(jax.tree.leaves((split, said)), jax.tree.leaves((whole, told)), strict=True):
        np.testing.assert_allclose(got, want, 1e-5, 1e-6)


def test_losses_and_metrics_of_a_batch_in_parts_are_those_of_the_whole():
    items = "[fully_connected: {num_outputs: 3, activation_fn: null, scope: a}]"
    base = BASE.replace("[softmax_cross_entropy]", "[mean_pairwise_squared_error, softmax_cross_entropy]")
    base = base.replace("[accuracy]", "[accuracy, confusion_matrix]")
    one, other = (task(f"{{accumulate: {n}}}", base, items) for n in (1, 3))
    (_, told), (_, said) = (compiled_train_step(t)(start(t, 0), batch()) for t in (one, other))
    for name in ("loss", "losses/mean_pairwise_squared_error", "losses/softmax_cross_entropy"):
        np.testing.assert_allclose(said[name], told[name], 1e-5)
    got, want = (metric_values(t.objective, on_host(m)) for t, m in ((other, said), (one, told)))
    assert got["accuracy"] == want["accuracy"] and got["confusion_matrix"] == want["confusion_matrix"]


def test_a_batch_in_parts_moves_the_statistics_once_a_part_in_order():
    the = task("{accumulate: 2}")
    state = start(the, 0)
    before = kept(state)
    after = state.statistics
    for half in (slice(0, 3), slice(3, 6)):
        part = {n: v[half] for n, v in batch().items()}
        _, after, _ = apply(the.forward, state.parameters, after, part, training=True, key=jax.random.key(0))
    after = kept(after)
    new, _ = compiled_train_step(the)(state, batch())
    for name, value in after.items():
        np.testing.assert_allclose(new.statistics[name], value, 1e-5, 1e-6)
        assert np.any(value != before.statistics[name])


def test_moving_averages_follow_weights_and_statistics_and_are_what_is_evaluated():
    the = task("{ema: 0.3}")
    state, steps = start(the, 0), compiled_train_step(the)
    want = kept({**state.parameters, **state.statistics})
    for number in range(5):
        state, _ = steps(state, batch(number))
        decay = min(0.3, (2 + number) / (11 + number))
        now = kept({**state.parameters, **state.statistics})
        want = {n: decay * v + (1 - decay) * now[n] for n, v in want.items()}
    parameters, statistics = evaluated(the, state)
    assert parameters.keys() == state.parameters.keys() and statistics.keys() == state.statistics.keys()
    for name, value in {**parameters, **statistics}.items():
        np.testing.assert_allclose(value, want[name], 1e-5, 1e-6)
    plain = start(task(), 0)
    assert evaluated(task(), plain) == (plain.parameters, plain.statistics)


def test_a_refused_step_leaves_the_moving_averages():
    the = task("{ema: 0.9}")
    state, _ = compiled_train_step(the)(start(the, 0), batch())
    before = kept(state.averages)
    state, metrics = compiled_train_step(the)(state, bad())
    assert not bool(metrics["finite"]) and same_bits(before, state.averages)


def test_bfloat16_computes_in_bfloat16_and_keeps_everything_in_float32():
    net = layers(NET, (4,), f"{BASE}train: {{precision: bfloat16}}")
    assert {e.dtype for e in net.network.declaration.end_points} == {"bfloat16"}
    state, exact = start(net.task, 0), start(task(), 0)
    for number in range(3):
        state, metrics = compiled_train_step(net.task)(state, batch(number))
        exact, told = stepper()(exact, batch(number))
    kinds = {leaf.dtype for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)}
    assert kinds == {np.dtype("float32")} == {metrics["loss"].dtype}
    for got, want in zip(jax.tree.leaves(state.statistics), jax.tree.leaves(exact.statistics), strict=True):
        np.testing.assert_allclose(got, want, 0.05, 0.02)
    found, _ = compiled_eval_step(net.task)(state.parameters, state.statistics, batch())
    assert all(leaf.dtype in (jnp.float32, jnp.int32) for leaf in jax.tree.leaves(found))  # counts are whole


def test_gradient_norms_are_those_that_the_optimizer_gets():
    words = "{summarize_gradients: true, clip_gradient_norm: 0.01, gradient_multipliers: {b/biases: 0}}"
    _, metrics = stepper(words)(start(task(words), 0), batch())
    norms = {n.removeprefix("gradient_norm/"): float(v) for n, v in metrics.items() if n.startswith("gradient_norm/")}
    assert norms.keys() == task(words).trained
    assert norms["b/weights"] == pytest.approx(0.01, rel=1e-5) and norms["b/biases"] == 0
    assert float(metrics["gradient_norm"]) == pytest.approx(np.sqrt(sum(n**2 for n in norms.values())), rel=1e-5)


def test_bounds_of_renorm_follow_the_step():
    items = """[fully_connected: {num_outputs: 3, activation_fn: null, scope: a}, batch_norm: {scope: n, renorm: true,
        renorm_clipping: {rmax: {piecewise_constant: {boundaries: [1], values: [1.0, 9.0]}}, rmin: 0, dmax: 0}}]"""
    the = task(items=items)
    state = start(the, 0)
    outputs = []
    for step in (0, 2):
        args = (the.forward, state.parameters, state.statistics, {"image": 9 * numbers(6, 4)})
        outputs.append(np.asarray(apply(*args, training=True, step=step)[0]))
    raw = 9 * numbers(6, 4) @ np.asarray(state.parameters["a/weights"])
    spread = np.sqrt(raw.var(0) + 1e-3)
    normal = (raw - raw.mean(0)) / spread
    np.testing.assert_allclose(outputs[0], normal, 1e-4, 1e-4)
    np.testing.assert_allclose(outputs[1], normal * np.clip(spread, 0, 9), 1e-4, 1e-4)
