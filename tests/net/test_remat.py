"""Rematerialized items: what they record comes out as values, and nothing else differs."""

import jax
import jax.numpy as jnp
import numpy as np
from nets import layers, numbers, same_bits

INPUTS = numbers(4, 3)
BLOCK = """[{scope: b, %s layers: [
    fully_connected: {num_outputs: 3, scope: fc, normalizer_fn: batch_norm, normalizer_params: {%s}},
    dropout: {scope: drop, alias: inner}]},
  fully_connected: {num_outputs: 3, scope: b/fc, reuse: true, normalizer_fn: batch_norm, normalizer_params: {%s}},
  add: {inputs: [inner, b/fc], scope: sum}]"""


def passes(words):
    found = []
    for remat in ("", "remat: true,"):
        net = layers(BLOCK % (remat, words, words), (3,))

        def loss(variables, net=net):
            output, after, points = net.plain(variables, {"image": INPUTS}, training=True)
            return jnp.sum(jnp.square(output)), (after, points)

        found.append(jax.jit(jax.value_and_grad(loss, has_aux=True))(net.random()))
        assert len(net.network.declaration.updates) == 4
    return found


def test_a_block_with_statistics_dropout_and_names_that_are_used_outside():
    for words in ("decay: 0.5", "decay: 0.5, updates_collections: null"):
        plain, remat = passes(words)
        assert jax.tree.structure(plain) == jax.tree.structure(remat)
        for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(remat), strict=True):
            np.testing.assert_allclose(one, other, 1e-5, 1e-6)


def test_a_name_taken_again_inside_is_the_last_one_outside():
    found = []
    for remat in ("", ", remat: true"):
        items = f"""[fully_connected: {{num_outputs: 3, scope: fc}},
            fully_connected: {{num_outputs: 3, scope: fc, reuse: true{remat}}},
            activation: {{activation_fn: tanh}},
            activation: {{inputs: fc}}]"""
        net = layers(items, (3,))
        found.append(net.run(net.random(), INPUTS)[0])
    assert same_bits(*found)


def test_the_backward_pass_does_compute_it_again():
    def text(remat):
        net = layers(
            f"[{{{remat} layers: [activation: {{activation_fn: tanh}}, activation: {{activation_fn: tanh}}]}}]", (3,)
        )
        loss = lambda x: jnp.sum(net.plain({}, {"image": x}, training=True)[0])  # noqa: E731
        return str(jax.make_jaxpr(jax.grad(loss))(INPUTS))

    assert text("").count("tanh") < text("remat: true,").count("tanh")


def test_only_wanted_end_points_leave_it():
    net = layers("[{scope: b, remat: true, layers: [activation: {scope: a}, activation: {scope: c}]}]", (3,))
    _, _, found = net.run({}, INPUTS)
    assert set(found) == {"b/a", "b/c", "b", "__output__"}
