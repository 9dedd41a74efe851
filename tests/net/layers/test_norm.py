"""Batch norm against closed forms and against numpy in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers, whole

from slimtrain.errors import ConfigError
from slimtrain.net.layers.norm import batch_norm
from slimtrain.net.scope import Record, Scope
from slimtrain.train.schedules import constant

EPSILON = 1e-3
START = {"here/moving_mean": np.zeros(3, np.float32), "here/moving_variance": np.ones(3, np.float32)}


def normalized(inputs, values=None, training=True, applied=("update_ops",), fields=None, **arguments):
    """(outputs, statistics after the pass, record) of one batch norm without beta, at the scope `here`."""
    values = {n: jnp.asarray(v) for n, v in (values or START).items()}
    record = Record(training, dict(values), fields or {}, applied=applied)
    outputs = batch_norm(Scope(record, "here"), jnp.asarray(inputs), **{"center": False, **arguments})
    return outputs, {**values, **record.latest}, record


def moments(inputs, axis=-1):
    """(mean, biased variance, count) a channel, float64."""
    exact = np.moveaxis(np.asarray(inputs, np.float64), axis, -1).reshape(-1, inputs.shape[axis])
    return exact.mean(0), exact.var(0), len(exact)


@pytest.mark.parametrize(
    ("shape", "arguments", "unbiased"),
    [
        ((4, 3), {}, True),
        ((2, 4, 3), {}, False),
        ((2, 2, 2, 3), {}, True),
        ((2, 2, 1, 2, 3), {}, True),
        ((2, 2, 2, 3), {"fused": False}, False),
        ((4, 3), {"fused": False}, False),
        ((2, 2, 2, 3), {"updates_collections": None}, True),
        ((2, 2, 1, 2, 3), {"updates_collections": None}, False),
        ((2, 2, 2, 3), {"zero_debias_moving_mean": False, "fused": True}, True),
    ],
)
def test_constant_batches_give_an_exponential_average(shape, arguments, unbiased):
    inputs = numbers(*shape) + 2
    mean, variance, count = moments(inputs)
    values, decay = START, 0.5
    for step in range(1, 4):
        outputs, values, _ = normalized(inputs, values, decay=decay, **arguments)
        left = decay**step
        want = variance * count / (count - 1) if unbiased else variance
        np.testing.assert_allclose(values["here/moving_mean"], mean * (1 - left), 1e-5)
        np.testing.assert_allclose(values["here/moving_variance"], left + want * (1 - left), 1e-5)
    np.testing.assert_allclose(outputs, (inputs - mean) / np.sqrt(variance + EPSILON), 1e-4, 1e-5)


def test_one_value_a_channel_has_no_variance_and_is_no_nan():
    outputs, values, _ = normalized(numbers(1, 3), decay=0.0)
    np.testing.assert_array_equal(outputs, np.zeros((1, 3)))
    np.testing.assert_array_equal(values["here/moving_variance"], np.zeros(3))


def test_evaluation_uses_the_averages_and_moves_nothing():
    inputs = numbers(4, 3)
    given = {"here/moving_mean": np.full(3, 2, np.float32), "here/moving_variance": np.full(3, 4, np.float32)}
    for words in ({"training": False}, {"is_training": False}):
        outputs, values, record = normalized(inputs, given, **words)
        np.testing.assert_allclose(outputs, (inputs - 2) / np.sqrt(4 + EPSILON), 1e-5)
        assert record.updates == [] and record.latest == {}
        np.testing.assert_array_equal(values["here/moving_mean"], given["here/moving_mean"])


def test_pinned_training_uses_the_batch_in_an_evaluation_but_moves_only_what_is_in_place():
    inputs = numbers(4, 3)
    want = normalized(inputs)[0]
    outputs, values, _ = normalized(inputs, training=False, is_training=True)
    np.testing.assert_allclose(outputs, want, 1e-6)
    np.testing.assert_array_equal(values["here/moving_mean"], np.zeros(3))
    _, values, _ = normalized(inputs, training=False, is_training=True, updates_collections=None)
    assert np.all(values["here/moving_mean"] != 0)


@pytest.mark.parametrize(
    ("collections", "applied", "moves", "counted"),
    [
        (("update_ops",), ("update_ops",), True, 2),
        (("update_ops",), (), False, 0),
        (("mine",), ("update_ops",), False, 0),
        (("mine", "other"), ("other",), True, 2),
        (None, (), True, 0),
    ],
)
def test_updates_are_applied_where_the_train_step_lists_them(collections, applied, moves, counted):
    _, values, record = normalized(numbers(4, 3), updates_collections=collections, applied=applied)
    assert bool(np.all(values["here/moving_mean"] != 0)) is moves
    assert [u.names for u in record.updates] == [("here/moving_mean",), ("here/moving_variance",)]
    assert sum(1 for u in record.updates if u.collections and set(u.collections) & set(applied)) == counted


def test_the_config_says_which_collections_are_applied():
    text = "[batch_norm: {scope: here, updates_collections: mine}]"
    inputs, start = numbers(4, 3), layers(text, (3,)).random()
    for more, moves in (("", False), ("train: {update_ops: [mine]}", True)):
        _, after, _ = layers(text, (3,), more).run(start, inputs, training=True)
        assert bool(np.any(after["here/moving_mean"] != start["here/moving_mean"])) is moves


def test_in_place_updates_are_read_by_what_follows_without_a_gradient():
    text = """[batch_norm: {scope: here, center: false, updates_collections: null, decay: 0.0},
               batch_norm: {scope: here, center: false, updates_collections: null, is_training: false, reuse: true}]"""
    net, inputs = layers(text, (3,)), numbers(4, 3)
    mean, variance, count = moments(inputs)
    once = (inputs - mean) / np.sqrt(variance + EPSILON)
    want = (once - mean) / np.sqrt(variance * count / (count - 1) + EPSILON)
    output, _, _ = net.run(net.start(), inputs, training=True)
    np.testing.assert_allclose(output, want, 1e-3, 1e-4)
    record = normalized(inputs, updates_collections=None)[2]

    def moved(inputs):
        return jnp.sum(normalized(inputs, updates_collections=None)[2].values["here/moving_mean"])

    assert not np.any(jax.grad(moved)(jnp.asarray(inputs)))
    assert np.any(record.values["here/moving_mean"])


def test_a_shared_batch_norm_chains_its_updates_in_call_order():
    text = """[batch_norm: {scope: here, center: false, decay: 0.5, alias: first},
               activation: {activation_fn: softplus, alias: second},
               batch_norm: {scope: here, center: false, decay: 0.5, reuse: true}]"""
    net, inputs = layers(text, (3,)), numbers(4, 3)
    _, after, points = net.run(net.start(), inputs, training=True)
    first, _, _ = moments(inputs)
    second, _, _ = moments(np.asarray(points["second"]))
    np.testing.assert_allclose(after["here/moving_mean"], 0.5 * 0.5 * first + 0.5 * second, 1e-4, 1e-6)
    assert len(net.network.declaration.updates) == 4
    assert set(net.specs) == {"here/moving_mean", "here/moving_variance"}


def test_zero_debias_gives_the_mean_of_constant_batches_from_the_first_update():
    shadow = "here/here/moving_mean"
    inputs, values = (
        numbers(4, 3) + 3,
        {**START, f"{shadow}/biased": np.zeros(3), f"{shadow}/local_step": np.float32(0)},
    )
    for step in range(1, 4):
        _, values, record = normalized(inputs, values, decay=0.9, zero_debias_moving_mean=True)
        np.testing.assert_allclose(values["here/moving_mean"], moments(inputs)[0], 1e-5)
        assert values[f"{shadow}/local_step"] == step
        assert len(record.updates) == 2
    specs = layers("[batch_norm: {scope: here, zero_debias_moving_mean: true}]", (3,)).specs
    assert {f"{shadow}/biased", f"{shadow}/local_step"} <= {n for n, s in specs.items() if s.statistic}
    assert specs[f"{shadow}/local_step"].shape == ()


@pytest.mark.parametrize("clipping", [None, {"rmax": 1.2, "rmin": 0.9, "dmax": 0.1}, {"dmax": 0.0}])
def test_renorm_is_what_its_formulas_say(clipping):
    arguments = {"renorm": True, "renorm_decay": 0.8, "decay": 0.6, "epsilon": 0.01}
    arguments["renorm_clipping"] = {n: partial(constant, value=v) for n, v in (clipping or {}).items()}
    names = ("moving_mean", "moving_variance", "moving_stddev", "renorm_mean", "renorm_stddev")
    values = {f"here/{n}": np.full(3, 0.0 if n.endswith("mean") else 1.0, np.float32) for n in names}
    want = {n: values[f"here/{n}"].astype(np.float64) for n in names}
    bounds = {"rmax": np.inf, "rmin": 0.0, "dmax": np.inf, **(clipping or {})}
    for step in range(3):
        inputs = 2 * numbers(6, 3, seed=step) + 1
        mean, variance, _ = moments(inputs)
        stddev, average = np.sqrt(variance + 0.01), np.maximum(want["renorm_stddev"], 0.1)
        r = np.clip(stddev / average, bounds["rmin"], bounds["rmax"])
        d = np.clip((mean - want["renorm_mean"]) / average, -bounds["dmax"], bounds["dmax"])
        want["moving_mean"] += 0.4 * (mean - want["moving_mean"])
        want["moving_stddev"] += 0.4 * (stddev - want["moving_stddev"])
        want["renorm_mean"] += 0.2 * (mean - want["renorm_mean"])
        want["renorm_stddev"] += 0.2 * (stddev - want["renorm_stddev"])
        want["moving_variance"] = np.maximum(want["moving_stddev"] ** 2 - 0.01, 0)
        outputs, values, record = normalized(inputs, values, **arguments)
        np.testing.assert_allclose(outputs, (inputs - mean) / stddev * r + d, 1e-4, 1e-5)
        for name in names:
            np.testing.assert_allclose(values[f"here/{name}"], want[name], 1e-4, 1e-6, err_msg=name)
        assert len(record.updates) == 2


def test_renorm_stands_still_where_its_updates_are_not_applied():
    names = ("moving_mean", "moving_variance", "moving_stddev", "renorm_mean", "renorm_stddev")
    values = {f"here/{n}": np.ones(3, np.float32) for n in names}
    _, after, _ = normalized(numbers(6, 3), values, renorm=True, applied=())
    assert all(np.array_equal(after[n], values[n]) for n in values)


@pytest.mark.parametrize("words", ["batch_weights: w", "zero_debias_moving_mean: true"])
def test_renorm_goes_with_neither_weights_nor_zero_debias(words):
    with pytest.raises(ConfigError, match="renorm does not go with"):
        layers(f"[batch_norm: {{renorm: true, {words}}}]", (3,))


def test_batch_weights_weigh_each_example():
    inputs, weights = numbers(4, 2, 2, 3), np.array([1, 0, 2, 1], np.float32)
    exact = inputs.astype(np.float64)
    shares = np.broadcast_to(weights[:, None, None, None], exact.shape)
    mean = (shares * exact).sum((0, 1, 2)) / shares[..., 0].sum()
    variance = (shares * (exact - mean) ** 2).sum((0, 1, 2)) / shares[..., 0].sum()
    outputs, values, _ = normalized(inputs, batch_weights="w", fields={"w": jnp.asarray(weights)}, decay=0.0)
    np.testing.assert_allclose(outputs, (inputs - mean) / np.sqrt(variance + EPSILON), 1e-4, 1e-5)
    np.testing.assert_allclose(values["here/moving_mean"], mean, 1e-4, 1e-6)
    np.testing.assert_allclose(values["here/moving_variance"], variance, 1e-4)  # never Bessel's
    outputs, values, _ = normalized(inputs, batch_weights="w", fields={"w": jnp.zeros(4)}, decay=0.0)
    assert np.all(np.isfinite(outputs)) and not np.any(values["here/moving_mean"])


def test_a_weight_field_that_the_batch_lacks_is_told():
    net = layers("[batch_norm: {scope: here, batch_weights: w}]", (3,))
    with pytest.raises(ConfigError, match="reads the field 'w', which the data does not have"):
        net.run(net.random(), numbers(4, 3), training=True)


@pytest.mark.parametrize("training", [True, False])
def test_channels_first_is_channels_last_moved(training):
    inputs = numbers(2, 2, 4, 3)
    last, after, _ = normalized(inputs, training=training)
    first, moved, _ = normalized(np.moveaxis(inputs, -1, 1), training=training, data_format="NCHW")
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), last, 1e-5, 1e-6)
    assert all(np.allclose(after[n], moved[n], 1e-5) for n in after)


def test_initializers_and_regularizers_by_name():
    text = """[batch_norm: {scope: here, scale: true,
        param_initializers: {beta: {constant: 2}, gamma: {constant: 3}, moving_mean: ones,
                             moving_variance: {constant: 4}},
        param_regularizers: {gamma: {l2: 0.5}, beta: {l1: 0}}}]"""
    net = layers(text, (3,))
    starts = {"beta": 2, "gamma": 3, "moving_mean": 1, "moving_variance": 4}
    assert {n: float(v[0]) for n, v in net.start().items()} == {f"here/{n}": v for n, v in starts.items()}
    assert {n for n, s in net.specs.items() if s.regularizer} == {"here/gamma"}


def test_renorm_starts_from_the_averages_starts():
    initializers = "param_initializers: {moving_mean: ones, moving_variance: {constant: 4}}"
    start = layers(f"[batch_norm: {{scope: here, renorm: true, {initializers}}}]", (3,)).start()
    assert {n: float(start[f"here/{n}"][0]) for n in ("moving_stddev", "renorm_mean", "renorm_stddev")} == {
        "moving_stddev": 2,
        "renorm_mean": 1,
        "renorm_stddev": 2,
    }


def test_inputs_far_from_zero_keep_their_variance():
    inputs = numbers(64, 3) + 1e4
    outputs, values, _ = normalized(inputs, decay=0.0)
    np.testing.assert_allclose(np.std(outputs, 0), 1, 1e-2)
    np.testing.assert_allclose(values["here/moving_variance"], inputs.astype(np.float64).var(0, ddof=1), 1e-2)
    assert np.all(np.isfinite(normalized(np.full((8, 3), 3e18, np.float32))[0]))


def test_trainable_false_keeps_beta_and_gamma_but_moves_the_statistics():
    net = layers("[batch_norm: {scope: here, scale: true, trainable: false}]", (3,))
    assert not any(s.trainable for s in net.specs.values())
    _, after, _ = net.run(net.start(), numbers(4, 3), training=True)
    assert np.all(after["here/moving_mean"] != 0)


@pytest.mark.parametrize(
    ("words", "trained"),
    [("{conv2d: {trainable: false, %s}}", True), ("{trainable: false, layers: [{conv2d: {%s}}]}", False)],
)
def test_a_layers_trainable_stops_at_its_normalizer_and_a_blocks_does_not(words, trained):
    inside = "num_outputs: 2, kernel_size: 1, scope: c, normalizer_fn: batch_norm"
    net = whole(f"model: {{input: {{shape: [2, 2, 3]}}, layers: [{words % inside}]}}")
    assert net.specs["c/BatchNorm/beta"].trainable is trained
    assert not net.specs["c/weights"].trainable


def test_half_precision_is_computed_in_float32():
    inputs = numbers(4, 3)
    outputs, values, _ = normalized(jnp.asarray(inputs, jnp.bfloat16))
    assert outputs.dtype == jnp.bfloat16 and values["here/moving_mean"].dtype == jnp.float32
    np.testing.assert_allclose(outputs.astype(np.float32), normalized(inputs)[0], 2e-2, 2e-2)


def test_an_adjustment_is_drawn_for_each_channel_and_step_in_training_only():
    words = "adjustment: {scale: [2, 3], bias: [10, 11]}, center: false, zero_debias_moving_mean: false"
    net = layers(f"[batch_norm: {{scope: n, {words}}}]", (2, 2, 3))
    inputs = numbers(4, 2, 2, 3)
    normal = (inputs - inputs.mean((0, 1, 2))) / np.sqrt(inputs.var((0, 1, 2)) + EPSILON)
    found = [np.asarray(net.run(net.start(), inputs, training=True, seed=seed)[0]) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.all(found[0] != found[2])
    for output in found:
        slopes = (output[1] - output[0]) / (normal[1] - normal[0])
        scale = np.median(slopes, (0, 1))
        bias = (output - normal * scale).mean((0, 1, 2))
        np.testing.assert_allclose(output, normal * scale + bias, 1e-3, 1e-3)
        assert np.all((scale > 2) & (scale < 3)) and np.all((bias > 10) & (bias < 11))
    after = net.run(net.start(), inputs, training=True)[1]
    biased = 0.999 + 0.001 * inputs.var((0, 1, 2))
    np.testing.assert_allclose(after["n/moving_variance"], biased, 1e-6)
    output = net.run(net.start(), inputs)[0]
    np.testing.assert_allclose(output, inputs / np.sqrt(1 + EPSILON), 1e-5)


def test_a_range_is_low_then_high():
    with pytest.raises(ConfigError, match=r"should be \[low, high\], got \[3, 2\]"):
        layers("[batch_norm: {adjustment: {scale: [3, 2]}}]")
