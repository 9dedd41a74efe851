"""One contract for every registered layer; a new layer is one row here."""

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import Net, layers, numbers, same_bits

from slimtrain.jobs.builtin import catalog
from slimtrain.net.passes import declare


class Row(NamedTuple):
    """A layer's arguments and the shape and type of one example."""

    arguments: str
    shape: tuple[int, ...]
    dtype: str = "float32"


IMAGE = (6, 6, 4)
ROWS = {
    "conv2d": Row("{num_outputs: 3, kernel_size: 3, normalizer_fn: batch_norm}", IMAGE),
    "conv1d": Row("{num_outputs: 3, kernel_size: 3, rate: 2}", (7, 4)),
    "conv3d": Row("{num_outputs: 3, kernel_size: [1, 2, 3], stride: 2, normalizer_fn: batch_norm}", (4, 5, 6, 2)),
    "separable_conv2d": Row("{num_outputs: 3, kernel_size: 3, depth_multiplier: 2}", IMAGE),
    "conv2d_in_plane": Row("{kernel_size: 3, stride: 2, padding: VALID}", IMAGE),
    "conv2d_transpose": Row("{num_outputs: 3, kernel_size: 3, stride: 2}", (3, 4, 2)),
    "conv3d_transpose": Row("{num_outputs: 2, kernel_size: 2, stride: [1, 2, 1]}", (2, 3, 2, 2)),
    "layer_norm": Row("{}", IMAGE),
    "instance_norm": Row("{}", IMAGE),
    "group_norm": Row("{groups: 2}", IMAGE),
    "max_pool2d": Row("{kernel_size: 2}", IMAGE),
    "avg_pool2d": Row("{kernel_size: 3, padding: SAME}", IMAGE),
    "global_avg_pool": Row("{}", IMAGE),
    "reduce_mean": Row("{axis: [1, -2], keep_dims: true}", (3, 4, 5, 2)),
    "fully_connected": Row("{num_outputs: 3}", (5,)),
    "flatten": Row("{}", IMAGE),
    "batch_norm": Row("{scale: true, activation_fn: relu}", IMAGE),
    "dropout": Row("{keep_prob: 0.5}", IMAGE),
    "activation": Row("{activation_fn: tanh}", IMAGE),
    "max_pool3d": Row("{kernel_size: [1, 2, 2], stride: [1, 2, 2]}", (2, 4, 4, 2)),
    "avg_pool3d": Row("{kernel_size: 2, padding: SAME}", (3, 3, 3, 2)),
    "pool": Row("{kernel_size: 2, pooling_type: AVG, dilation_rate: 2}", IMAGE),
    "scale": Row("{multiplier: 0.17}", IMAGE),
    "softmax": Row("{}", (4,)),
    "bias_add": Row("{activation_fn: relu}", IMAGE),
    "unit_norm": Row("{dim: 3}", IMAGE),
    "maxout": Row("{num_units: 2}", IMAGE),
    "scale_gradient": Row("{multiplier: 0.5}", IMAGE),
    "lrn": Row("{depth_radius: 1, alpha: 0.5, beta: 0.75}", IMAGE),
    "spatial_softmax": Row("{temperature: 2.0}", IMAGE),
    "reshape": Row("{shape: [4, -1]}", IMAGE),
    "pad": Row("{paddings: [[1, 2], [0, 1]], mode: REFLECT}", IMAGE),
    "crop": Row("{croppings: [[1, 2], [0, 1]]}", IMAGE),
    "squeeze": Row("{}", (1, 3, 1)),
    "one_hot_encoding": Row("{num_classes: 3, on_value: 2.0}", (2,), "int32"),
    "images_to_sequence": Row("{}", IMAGE),
    "sequence_to_images": Row("{height: 2}", (4, 3)),
    "gdn": Row("{}", IMAGE),
}
OPS = sorted({d.name for d in catalog().kind("layer").values()})
BATCH = 2
known = pytest.mark.parametrize("op", [op for op in OPS if op in ROWS])


def test_every_layer_has_a_row():
    assert set(OPS) == set(ROWS)


@cache
def built(op: str, words: str = "") -> Net:
    row = ROWS[op]
    arguments = row.arguments.strip("{}")
    inside = ", ".join(filter(None, [arguments, "scope: here", words]))
    return layers(f"[{op}: {{{inside}}}]", row.shape, dtype=row.dtype)


def example(op: str, batch: int = BATCH, seed: int = 0) -> np.ndarray:
    row = ROWS[op]
    if row.dtype == "int32":
        return np.random.default_rng(seed).integers(0, 3, (batch, *row.shape)).astype(np.int32)
    return numbers(batch, *row.shape, seed=seed)


@known
def test_shapes_names_and_types_are_as_declared(op):
    net = built(op)
    output, after, end_points = net.run(net.random(), example(op), training=True)
    declared = net.network.declaration
    assert output.shape == declared.output_shape
    assert {e.name: (e.shape, e.dtype) for e in declared.end_points} == {
        n: (v.shape, str(v.dtype)) for n, v in end_points.items()
    }
    assert {n: s.shape for n, s in net.specs.items()} == {n: v.shape for n, v in after.items()}
    assert all(n == "here" or n.startswith("here/") for n in end_points if n != "__output__")
    assert all(n.startswith("here/") for n in net.specs)
    assert np.all(np.isfinite(np.asarray(output, np.float32)))


@known
def test_an_evaluation_has_the_same_shape_and_changes_no_variable(op):
    net = built(op)
    output, after, _ = net.run(net.random(), example(op))
    assert output.shape == net.network.declaration.output_shape
    assert same_bits(net.random(), after)


@known
def test_it_can_be_differentiated_and_mapped(op):
    net, variables = built(op), built(op).random(1)
    stacked = np.stack([example(op, seed=1), example(op, seed=2)])

    def loss(variables, inputs):
        output, after, _ = net.plain(variables, {"image": inputs}, training=True)
        return jnp.sum(jnp.sin(output.astype(jnp.float32))), (output, after)

    integer = ROWS[op].dtype == "int32"
    gradient = jax.value_and_grad(loss, argnums=0 if integer else (0, 1), has_aux=True)
    mapped, single = jax.jit(jax.vmap(gradient, (None, 0))), jax.jit(gradient)
    (_, (outputs, after)), gradients = mapped(variables, stacked)
    for index, one in enumerate(stacked):
        (_, (output, new)), own = single(variables, one)
        np.testing.assert_allclose(outputs[index], output, 1e-4, 1e-5)
        for got, want in zip(jax.tree.leaves((after, gradients)), jax.tree.leaves((new, own)), strict=True):
            np.testing.assert_allclose(got[index], want, 1e-3, 1e-4)
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(gradients))


@known
def test_bfloat16_inputs_give_bfloat16_outputs_and_float32_variables(op):
    if ROWS[op].dtype == "int32":
        return
    net = built(op)
    declared = declare(net.network.forward, (BATCH, *ROWS[op].shape), "bfloat16")
    assert {e.dtype for e in declared.end_points} == {"bfloat16"}
    assert {s.dtype for s in declared.specs.values()} <= {"float32"}
    inputs = jnp.asarray(example(op), jnp.bfloat16)
    for training in (True, False):
        output, after, _ = jax.eval_shape(
            lambda v, i, t=training: net.plain(v, {"image": i}, training=t), net.random(), inputs
        )
        assert output.dtype == jnp.bfloat16
        assert {v.dtype for v in after.values()} <= {np.dtype("float32")}


@known
def test_bfloat16_is_differentiated_under_vmap_and_jit_to_the_types_that_went_in(op):
    if ROWS[op].dtype == "int32":
        return
    net, stacked = built(op), jax.ShapeDtypeStruct((3, BATCH, *ROWS[op].shape), jnp.bfloat16)

    def loss(variables, inputs):
        return jnp.sum(net.plain(variables, {"image": inputs}, training=True)[0].astype(jnp.float32))

    gradient = jax.jit(jax.vmap(jax.grad(loss, (0, 1)), (None, 0)))
    of_variables, of_inputs = jax.eval_shape(gradient, net.random(), stacked)
    assert (of_inputs.shape, of_inputs.dtype) == (stacked.shape, stacked.dtype)
    assert {n: (v.shape, str(v.dtype)) for n, v in of_variables.items()} == {
        n: ((3, *s.shape), "float32") for n, s in net.specs.items()
    }


@known
def test_remat_changes_nothing(op):
    found = []
    for words in ("", "remat: true"):
        net = built(op, words)

        def loss(variables, inputs, net=net):
            output, after, end_points = net.plain(variables, {"image": inputs}, training=True)
            return jnp.sum(jnp.square(output.astype(jnp.float32))), (output, after, end_points)

        found.append(jax.jit(jax.value_and_grad(loss, has_aux=True))(net.random(2), example(op)))
    assert jax.tree.structure(found[0]) == jax.tree.structure(found[1])
    for one, other in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(one, other, 1e-5, 1e-6)


@known
@pytest.mark.parametrize("words", ["", "remat: true"])
def test_nothing_leaks_out_of_the_trace(op, words):
    net = built(op, words)
    variables, inputs = net.random(), jnp.asarray(example(op))

    def loss(variables):
        return jnp.sum(net.plain(variables, {"image": inputs}, training=True)[0].astype(jnp.float32))

    with jax.checking_leaks():
        jax.make_jaxpr(jax.grad(loss))(variables)


@known
def test_it_is_documented(op):
    definition = catalog().kind("layer")[op]
    assert definition.description.scope
    assert definition.summary.endswith(".")
    assert "Returns:" in definition.doc
    assert all(p.doc for p in definition.parameters.values())
