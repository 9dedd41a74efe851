"""A batch's normalization and its gradient against float64, with rows taken together and without."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from nets import numbers

from slimtrain.net.layers.normalized import normalized

EPSILON = 1e-3
GROUPED = [(6, 8, 8, 5), (40, 7, 7, 2), (16, 17, 17, 1), (64, 3, 1, 2, 4, 3)]
SHAPES = [*GROUPED, (2, 2, 2, 3), (4, 1, 1, 3), (50, 7), (1, 3), (9, 11, 4)]


def exact(inputs, gamma, beta, gradients, axis=-1):
    """(outputs, mean, variance, gradients by inputs, gamma and beta) in float64."""
    x, dy = (np.moveaxis(np.asarray(v, np.float64), axis, -1) for v in (inputs, gradients[0]))
    others = tuple(range(x.ndim - 1))
    mean, variance, count = x.mean(others), x.var(others), x.size // x.shape[-1]
    factor = 1 / np.sqrt(variance + EPSILON)
    normal = (x - mean) * factor
    of_gamma, of_beta = (dy * normal).sum(others), dy.sum(others)
    of_inputs = gamma * factor * (dy - of_beta / count - normal * of_gamma / count)
    of_inputs += gradients[1] / count + gradients[2] * 2 * (x - mean) / count
    back = [np.moveaxis(v, -1, axis) for v in (normal * gamma + beta, of_inputs)]
    return (back[0], mean, variance), (back[1], of_gamma, of_beta)


def differentiated(inputs, gamma, beta, gradients, axis=-1):
    def function(inputs, gamma, beta):
        outputs, moments = normalized(inputs, gamma, beta, EPSILON, axis)
        return outputs, moments.mean, moments.variance

    def both(inputs, gamma, beta, gradients):
        outputs, pull = jax.vjp(function, inputs, gamma, beta)
        return outputs, pull(gradients)

    return jax.jit(both)(inputs, gamma, beta, gradients)


def drawn(shape, axis=-1, offset=2.0):
    """Inputs, gamma, beta and a gradient for each output."""
    channels = shape[axis]
    gradients = numbers(*shape, seed=1), numbers(channels, seed=2), numbers(channels, seed=3)
    return numbers(*shape) + np.float32(offset), numbers(channels, seed=4), numbers(channels, seed=5), gradients


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_outputs_statistics_and_gradients(shape):
    given = drawn(shape)
    found, wanted = differentiated(*given), exact(*given)
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, 2e-4, 2e-5 * max(1, np.abs(want).max()))


def test_channels_first():
    given = drawn((6, 5, 8, 8), 1)
    found, wanted = differentiated(*given, axis=1), exact(*given, axis=1)
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, 2e-4, 2e-5 * max(1, np.abs(want).max()))


@pytest.mark.parametrize("absent", ["gamma", "beta", "both"])
def test_what_is_left_out_is_one_and_zero(absent):
    inputs, gamma, beta, gradients = drawn(GROUPED[0])
    without = None if absent != "beta" else gamma, None if absent != "gamma" else beta
    filled = np.ones_like(gamma) if without[0] is None else gamma, np.zeros_like(beta) if without[1] is None else beta
    found, wanted = differentiated(inputs, *without, gradients), differentiated(inputs, *filled, gradients)
    for got, want in zip(found[0], wanted[0], strict=True):
        np.testing.assert_allclose(got, want, 1e-6, 1e-6)
    for got, want in zip(found[1], wanted[1], strict=True):
        assert got is None or np.allclose(got, want, 1e-5, 1e-5)
    assert [got is None for got in found[1]] == [False, *(value is None for value in without)]


@pytest.mark.parametrize("power", range(8))
@pytest.mark.parametrize("shape", GROUPED[:2], ids=str)
def test_values_far_from_zero_lose_nothing(shape, power):
    given = drawn(shape, offset=10.0**power)
    (outputs, mean, variance), (of_inputs, *_) = differentiated(*given)
    (want, exact_mean, exact_variance), (of_exact, *_) = exact(*given)
    np.testing.assert_allclose(mean, exact_mean, 3e-7, 1e-6)
    np.testing.assert_allclose(variance, exact_variance, 2e-6)
    np.testing.assert_allclose(outputs, want, 1e-4, 1e-4)
    np.testing.assert_allclose(of_inputs, of_exact, 1e-3, 1e-4)


def test_one_wild_first_pixel_does_not_spoil_the_variance():
    inputs = numbers(*GROUPED[0]) + np.float32(1e5)
    inputs[:, 0, 0] = 0
    given = inputs, *drawn(GROUPED[0])[1:]
    np.testing.assert_allclose(differentiated(*given)[0][2], exact(*given)[0][2], 1e-5)


def test_half_precision_is_summed_in_float32_and_returned_as_it_came():
    inputs, gamma, beta, gradients = drawn((6, 8, 8, 5))
    half = jnp.asarray(inputs, jnp.bfloat16)
    upward = (jnp.asarray(gradients[0], jnp.bfloat16), *gradients[1:])
    (outputs, mean, variance), of = differentiated(half, gamma, beta, upward)
    assert (outputs.dtype, of[0].dtype) == (jnp.bfloat16, jnp.bfloat16)
    assert {v.dtype for v in (mean, variance, *of[1:])} == {np.dtype("float32")}
    wanted = exact(np.asarray(half, np.float32), gamma, beta, (np.asarray(upward[0], np.float32), *gradients[1:]))
    for got, want in zip((mean, variance, *of[1:]), (*wanted[0][1:], *wanted[1][1:]), strict=True):
        np.testing.assert_allclose(got, want, 1e-4, 1e-4)
    np.testing.assert_allclose(np.asarray(of[0], np.float32), wanted[1][0], 1e-2, 1e-2)


@pytest.mark.parametrize("shape", [(8, 8, 8, 5), (8, 5, 5, 3), (8, 3)], ids=str)
def test_a_batch_over_several_devices_has_one_mean(shape):
    given = drawn(shape)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    parted, whole = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
    inputs, gamma, beta, (upward, *rest) = given
    placed = jax.device_put((inputs, gamma, beta), (parted, whole, whole))
    found = differentiated(*placed, (jax.device_put(upward, parted), *jax.device_put(tuple(rest), whole)))
    wanted = differentiated(*given)
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, 1e-4, 1e-5)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_accelerators_have_xlas_own_sums(platform):
    given = drawn(GROUPED[0])
    step = jax.jit(jax.vmap(jax.checkpoint(lambda *given: differentiated(*given))))
    shapes = jax.tree.map(lambda v: jax.ShapeDtypeStruct((2, *v.shape), v.dtype), given)
    program = jax.export.export(step, platforms=(platform,))(*shapes).mlir_module()
    assert "optimization_barrier" not in program and "slimtrain_" not in program
