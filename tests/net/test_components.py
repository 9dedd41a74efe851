"""Activations, initializers and regularizers: a row each, and their formulas."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.jobs.builtin import catalog
from slimtrain.net.components import fans

X = np.array([-30.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 7.0, 30.0], np.float32)
WIDE = X.astype(np.float64)
NORMAL = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in WIDE])
ACTIVATIONS = {
    "relu": ({}, np.maximum(WIDE, 0)),
    "relu6": ({}, np.clip(WIDE, 0, 6)),
    "elu": ({"alpha": 0.5}, np.where(WIDE > 0, WIDE, 0.5 * np.expm1(WIDE))),
    "selu": ({}, 1.0507009873554805 * np.where(WIDE > 0, WIDE, 1.6732632423543772 * np.expm1(WIDE))),
    "sigmoid": ({}, 1 / (1 + np.exp(-WIDE))),
    "tanh": ({}, np.tanh(WIDE)),
    "softplus": ({}, np.log1p(np.exp(WIDE))),
    "softsign": ({}, WIDE / (1 + np.abs(WIDE))),
    "softmax": ({}, np.exp(WIDE - 30) / np.exp(WIDE - 30).sum()),
    "leaky_relu": ({}, np.where(WIDE > 0, WIDE, 0.2 * WIDE)),
    "swish": ({}, WIDE / (1 + np.exp(-WIDE))),
    "hard_sigmoid": ({"factor": 0.16667}, np.clip(WIDE + 3, 0, 6) * 0.16667),
    "hard_swish": ({}, WIDE * np.clip(WIDE + 3, 0, 6) / 6),
    "gelu": ({}, WIDE * NORMAL),
}
# arguments, mean and variance of the values that a kernel of this shape starts with
SHAPE = (3, 3, 40, 80)
INITIALIZERS = {
    "zeros": ({}, 0.0, 0.0),
    "ones": ({}, 1.0, 0.0),
    "constant": ({"value": 2.5}, 2.5, 0.0),
    "truncated_normal": ({"stddev": 0.5, "mean": 1.0}, 1.0, (0.5 * 0.87962566) ** 2),
    "random_normal": ({"stddev": 0.5, "mean": 1.0}, 1.0, 0.25),
    "random_uniform": ({"minval": 0.0, "maxval": 2.0}, 1.0, 4 / 12),
    "xavier": ({}, 0.0, 2 / (9 * (40 + 80))),
    "variance_scaling": ({}, 0.0, 2 / (9 * 40) * 1.3 * 0.87962566**2),
    "orthogonal": ({}, 0.0, 1 / (9 * 40)),
    "identity": ({}, 1 / (9 * 80), 1 / (9 * 80) * (1 - 1 / (9 * 80))),
}
FIXED = {"zeros", "ones", "constant", "identity"}
WEIGHTS = np.array([[3.0, -4.0]], np.float32)
REGULARIZERS = {
    "l1": ({"scale": 0.1}, 0.7),
    "l2": ({"scale": 0.1}, 1.25),
    "l1_l2": ({"scale_l1": 0.1, "scale_l2": 0.1}, 1.95),
    "sum": ({"regularizer_list": (jnp.sum, None, lambda w: 2 * jnp.sum(w))}, -3.0),
}


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("activation", ACTIVATIONS), ("initializer", INITIALIZERS), ("regularizer", REGULARIZERS)],
)
def test_every_component_has_a_row_and_a_meaning(kind, rows):
    assert set(catalog().kind(kind)) == set(rows)
    for definition in catalog().kind(kind).values():
        assert definition.summary.endswith((".", ")."))
        assert all(p.doc for p in definition.parameters.values())


def function(kind, name):
    return catalog().kind(kind)[name].function


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_have_their_values_and_finite_gradients(name):
    arguments, want = ACTIVATIONS[name]

    def run(x):
        return function("activation", name)(x, **arguments)

    value, pull = jax.jit(lambda x: (run(x), jax.vjp(run, x)[1](jnp.ones_like(x))[0]))(X)
    np.testing.assert_allclose(value, want, 1e-5, 1e-6)
    assert np.all(np.isfinite(pull))
    assert jax.eval_shape(run, jax.ShapeDtypeStruct((3,), jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_initializers_have_their_mean_and_variance(name):
    arguments, mean, variance = INITIALIZERS[name]
    start = jax.jit(lambda key: function("initializer", name)(key, SHAPE, jnp.float32, **arguments))
    values = np.asarray(start(jax.random.key(0)), np.float64)
    assert values.shape == SHAPE
    spread = math.sqrt(variance / values.size)
    assert abs(values.mean() - mean) <= 5 * spread + 1e-6
    assert values.var() == pytest.approx(variance, rel=0.02, abs=1e-9)
    np.testing.assert_array_equal(start(jax.random.key(0)), values.astype(np.float32))
    assert np.any(np.asarray(start(jax.random.key(1))) != values) == (name not in FIXED)


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize(("mode", "n"), [("FAN_IN", 360), ("FAN_OUT", 720), ("FAN_AVG", 540)])
def test_variance_scaling_has_tf_slims_variance_and_bounds(mode, n, uniform):
    scaling = function("initializer", "variance_scaling")
    values = np.asarray(scaling(jax.random.key(0), SHAPE, jnp.float32, factor=1.5, mode=mode, uniform=uniform))
    sigma = math.sqrt(1.3 * 1.5 / n)
    variance, bound = (1.5 / n, math.sqrt(3 * 1.5 / n)) if uniform else ((0.87962566 * sigma) ** 2, 2 * sigma)
    assert values.var() == pytest.approx(variance, rel=0.02)
    assert 0.99 * bound < np.abs(values).max() <= bound * 1.0001


def test_xavier_is_variance_scaling_of_factor_one_over_both_fans():
    xavier = function("initializer", "xavier")
    values = np.asarray(xavier(jax.random.key(0), (30, 70), jnp.float32))
    assert np.abs(values).max() <= math.sqrt(6 / 100) < np.abs(values).max() * 1.01
    normal = np.asarray(xavier(jax.random.key(0), SHAPE, jnp.float32, uniform=False))
    assert np.abs(normal).max() > np.sqrt(6 / 1080)


def test_orthogonal_columns():
    values = np.asarray(function("initializer", "orthogonal")(jax.random.key(0), (2, 4, 8), jnp.float32, gain=2.0))
    flat = values.reshape(8, 8)
    np.testing.assert_allclose(flat.T @ flat, 4 * np.eye(8), atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("fully_connected: {num_outputs: 5", (5,)),
        ("conv2d: {num_outputs: 5, kernel_size: 1", (6, 7, 5)),
        ("conv2d: {num_outputs: 5, kernel_size: [3, 2]", (6, 7, 5)),
        ("conv3d: {num_outputs: 5, kernel_size: [3, 1, 1]", (4, 6, 7, 5)),
    ],
)
def test_layers_that_start_as_the_identity_pass_their_inputs_on(layer, shape):
    net = layers(f"[{layer}, activation_fn: null, weights_initializer: identity, scope: same}}]", shape)
    images = numbers(2, *shape)
    np.testing.assert_array_equal(net.run(net.start(), images)[0], images)


def test_identity_refuses_what_is_no_kernel():
    with pytest.raises(ValueError, match=r"identity: expects a kernel.*\[5\]\); use 'zeros'"):
        function("initializer", "identity")(jax.random.key(0), (5,), jnp.float32)


@pytest.mark.parametrize(
    ("shape", "want"),
    [((), (1, 1)), ((7,), (7, 7)), ((3, 5), (3, 5)), ((2, 3, 4, 5), (24, 30)), ((3, 3, 8, 2), (72, 18))],
)
def test_fans_count_as_tf_slim_counts(shape, want):
    assert fans(shape) == want


@pytest.mark.parametrize("name", sorted(REGULARIZERS))
def test_regularizers_have_their_values_and_finite_gradients(name):
    arguments, want = REGULARIZERS[name]
    value, gradient = jax.jit(jax.value_and_grad(lambda w: function("regularizer", name)(w, **arguments)))(WEIGHTS)
    assert float(value) == pytest.approx(want, rel=1e-6)
    assert np.all(np.isfinite(gradient))


def test_components_take_their_arguments_from_a_config():
    words = (
        "weights_initializer: {truncated_normal: 0.1}, biases_initializer: {constant: 3}, weights_regularizer: {l2: 2}"
    )
    net = layers(f"[fully_connected: {{num_outputs: 500, scope: fc, {words}}}]", (100,))
    start = net.start()
    assert np.abs(start["fc/weights"]).max() <= 0.2
    assert np.all(start["fc/biases"] == 3)
    weights = numbers(2, 2)
    np.testing.assert_allclose(net.specs["fc/weights"].regularizer(weights), np.sum(weights**2), 1e-5)
