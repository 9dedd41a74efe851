"""Convolutions under JAX's transformations: each gives what the definition or XLA's own convolution gives."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from kernels import arguments, geometries, reference, result
from nets import numbers

from slimtrain.net import bilinear
from slimtrain.net.choice import KINDS
from slimtrain.net.geometry import geometry
from slimtrain.net.lowerings import xla

# One for each way that has no native part, and the native ones where they are.
SHAPES = {
    "dense": geometry((4, 7, 8, 16), (3, 3, 16, 16), (1, 1), "SAME", (1, 1)),
    "strided": geometry((4, 9, 8, 16), (3, 3, 16, 32), (2, 2), "SAME", (1, 1)),
    "pointwise": geometry((4, 5, 6, 8), (1, 1, 8, 12), (2, 1), "SAME", (1, 1)),
    "depthwise": geometry((4, 7, 6, 5), (3, 3, 1, 10), (2, 2), "SAME", (1, 1), 5),
    "stem": geometry((4, 11, 12, 3), (5, 5, 3, 8), (2, 2), "SAME", (1, 1)),
    "volume": geometry((4, 5, 4, 6, 2), (2, 3, 3, 2, 4), (1, 2, 2), "VALID", (1, 1, 1)),
}
shaped = pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)


def function(kind, shapes):
    return partial(getattr(bilinear, kind), geometry=shapes)


def close(got, want, share=1e-5):
    assert got.shape == want.shape and np.asarray(got).dtype == np.float32
    np.testing.assert_allclose(got, want, 0, share * np.abs(want).max(initial=1e-30))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12)
@given(shapes=geometries())
def test_what_is_chosen_is_the_definition(kind, shapes):
    given = arguments(kind, shapes)
    close(jax.jit(function(kind, shapes))(*given), reference(kind, *given, shapes))


@shaped
@pytest.mark.parametrize("kind", KINDS)
def test_alone_and_within_a_compiled_function_it_is_the_same(kind, shapes):
    given = arguments(kind, shapes)
    close(function(kind, shapes)(*given), np.asarray(jax.jit(function(kind, shapes))(*given)))


@shaped
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_definition(kind, shapes):
    first, second = arguments(kind, shapes)
    ct = numbers(*result(kind, shapes), seed=2)
    _, back = jax.vjp(function(kind, shapes), first, second)
    by_first, by_second = {
        "forward": (("input_gradient", ct, second), ("weights_gradient", first, ct)),
        "input_gradient": (("forward", ct, second), ("weights_gradient", ct, first)),
        "weights_gradient": (("input_gradient", second, ct), ("forward", first, ct)),
    }[kind]
    for got, (other, *pair) in zip(jax.jit(back)(ct), (by_first, by_second), strict=True):
        close(got, reference(other, *pair, shapes))


@shaped
def test_forward_derivatives_are_those_of_a_product(shapes):
    given = arguments("forward", shapes)
    steps = numbers(*shapes.inputs, seed=2), numbers(*shapes.weights, seed=3)
    _, got = jax.jvp(function("forward", shapes), given, steps)
    want = reference("forward", steps[0], given[1], shapes) + reference("forward", given[0], steps[1], shapes)
    close(got, want)


@shaped
def test_gradients_of_gradients(shapes):
    """A gradient penalty: the square of the inputs' gradient, by the weights."""
    inputs, weights = arguments("forward", shapes)

    def penalty(convolution, weights):
        gradient = jax.grad(lambda x: jnp.sum(convolution(x, weights, shapes) ** 2))(inputs)
        return jnp.mean(gradient**2)

    got, want = (jax.jit(jax.grad(partial(penalty, c)))(weights) for c in (bilinear.forward, xla.forward))
    close(got, np.asarray(want), 1e-4)


@shaped
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axes", [(0, 0), (1, None), (None, 0)])
def test_mapped_it_is_each_by_itself(kind, shapes, axes):
    def several(values, axis, seed):
        return values if axis is None else np.stack([values, numbers(*values.shape, seed=seed)], axis)

    one = arguments(kind, shapes)
    given = [several(values, axis, seed) for values, axis, seed in zip(one, axes, (3, 4), strict=True)]
    got = jax.jit(jax.vmap(function(kind, shapes), axes))(*given)
    for i in range(2):
        own = [v if axis is None else v.take(i, axis) for v, axis in zip(given, axes, strict=True)]
        close(got[i], reference(kind, *own, shapes))


@shaped
def test_computed_again_the_gradient_is_the_same(shapes):
    given = arguments("forward", shapes)

    def loss(inputs, weights, wrap):
        return jnp.sum(jnp.sin(wrap(function("forward", shapes))(inputs, weights)))

    kept, again = (jax.jit(jax.grad(partial(loss, wrap=w), (0, 1)))(*given) for w in (lambda f: f, jax.checkpoint))
    for got, want in zip(again, kept, strict=True):
        close(got, np.asarray(want), 1e-6)


@shaped
def test_a_donated_array_may_be_written_over(shapes):
    inputs, weights = arguments("forward", shapes)

    def stepped(weights, inputs):
        outputs = bilinear.forward(inputs, weights, shapes)
        return weights - 0.1 * bilinear.weights_gradient(inputs, outputs, shapes)

    want = np.asarray(jax.jit(stepped)(weights, inputs))
    given = jnp.array(weights)
    close(jax.jit(stepped, donate_argnums=0)(given, inputs), want, 1e-6)
    assert given.is_deleted()


@shaped
@pytest.mark.parametrize("kind", KINDS)
def test_over_four_devices_it_is_as_on_one(kind, shapes):
    given = arguments(kind, shapes)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    parts = [PartitionSpec("batch") if kind == "weights_gradient" or i == 0 else PartitionSpec() for i in range(2)]
    shared = [jax.device_put(v, NamedSharding(mesh, part)) for v, part in zip(given, parts, strict=True)]
    got = jax.jit(function(kind, shapes))(*shared)
    assert len(got.sharding.device_set) == 4
    close(np.asarray(got), np.asarray(jax.jit(function(kind, shapes))(*given)))


@shaped
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_kept(kind, shapes):
    first, second = (jnp.asarray(values, jnp.bfloat16) for values in arguments(kind, shapes))
    got = jax.jit(function(kind, shapes))(first, second)
    want = reference(kind, np.asarray(first, np.float32), np.asarray(second, np.float32), shapes)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(got, np.float32), want, 0, 0.01 * np.abs(want).max())


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("kind", KINDS)
@shaped
def test_other_platforms_get_xlas_convolution(kind, shapes, platform):
    exported = jax.export.export(jax.jit(function(kind, shapes)), platforms=[platform])(*arguments(kind, shapes))
    made = exported.mlir_module()
    assert "slimtrain_" not in made and made.count("stablehlo.convolution") == 1


@shaped
@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_gives_nothing_or_zeros(kind, shapes):
    none = geometry((0, *shapes.inputs[1:]), shapes.weights, shapes.stride, "SAME", shapes.rate, shapes.groups)
    got = jax.jit(function(kind, none))(*arguments(kind, none))
    assert got.shape == result(kind, none) and not np.asarray(got).any()


def test_a_primitive_is_known_by_its_kind():
    shapes = SHAPES["dense"]
    for kind in KINDS:
        made = jax.make_jaxpr(function(kind, shapes))(*arguments(kind, shapes)).jaxpr
        assert bilinear.kind_of(made.eqns[0].primitive) == kind
    assert bilinear.kind_of(jax.make_jaxpr(jnp.sin)(1.0).jaxpr.eqns[0].primitive) is None
