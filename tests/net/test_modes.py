"""Ways to run a network, each a forward function made of another."""

import jax
import jax.numpy as jnp
import numpy as np
from nets import layers, numbers

from slimtrain.net.modes import averaging, computing_in, freezing
from slimtrain.net.passes import apply, declare, split

NET = """[fully_connected: {num_outputs: 3, scope: a, normalizer_fn: batch_norm},
          fully_connected: {num_outputs: 2, scope: b}]"""


def test_frozen_variables_are_declared_so_and_a_frozen_batch_norm_updates_nothing():
    forward = layers(NET, (4,)).network.forward
    found = declare(freezing(forward, frozenset({"a/weights", "a/BatchNorm/moving_mean"})), (2, 4))
    trained = {n for n, s in found.specs.items() if s.trainable}
    assert trained == {"a/BatchNorm/beta", "b/weights", "b/biases"}
    assert found.specs["a/weights"].collections == ("model_variables", "frozen")
    assert found.updates == () and len(declare(forward, (2, 4)).updates) == 2


def test_another_precision_reaches_every_layer_and_leaves_whole_numbers():
    forward = computing_in(layers(NET, (4,)).network.forward, "bfloat16")
    assert {e.dtype for e in declare(forward, (2, 4)).end_points} == {"bfloat16"}
    coded = computing_in(
        layers("[one_hot_encoding: {num_classes: 3}]", (2,), dtype="int32").network.forward, "bfloat16"
    )
    assert declare(coded, (2, 2), "int32").output_shape == (2, 2, 3)


def test_averaging_goes_on_from_the_batches_before_inside_remat_too():
    for words in ("", ", remat: true"):
        net = layers(f"[batch_norm: {{scope: n{words}}}]", (3,))
        parameters, statistics = split(net.specs, net.random())

        @jax.jit
        def step(passes, inputs, net=net, parameters=parameters, statistics=statistics):
            forward = averaging(net.network.forward, passes)
            return apply(forward, parameters, statistics, {"image": inputs}, training=True)[1]

        inputs = numbers(5, 3)
        want = 0.75 * statistics["n/moving_mean"] + 0.25 * inputs.mean(0)
        np.testing.assert_allclose(step(jnp.float32(3), inputs)["n/moving_mean"], want, 1e-5, 1e-6)
