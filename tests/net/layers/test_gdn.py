"""Generalized divisive normalization: its bounds and its inverse; parity with TF-Slim is tests/golden_more/ops_gdn."""

import jax
import jax.numpy as jnp
import numpy as np
from nets import layers, numbers

from slimtrain.net.layers.gdn import at_least


def test_the_bound_lets_gradients_through_that_lead_back_up():
    limit = at_least(1.0)
    x = jnp.asarray([0.5, 0.5, 2.0, 2.0])
    value, pull = jax.vjp(limit, x)
    np.testing.assert_array_equal(value, [1, 1, 2, 2])
    np.testing.assert_array_equal(pull(jnp.asarray([1.0, -1.0, 1.0, -1.0]))[0], [0, -1, 1, -1])


def test_one_divides_by_what_the_other_multiplies_with():
    inputs = numbers(2, 3, 3, 4)
    outputs = {}
    for inverse in ("false", "true"):
        net = layers(f"[{{gdn: {{inverse: {inverse}, scope: g}}}}]", (3, 3, 4))
        outputs[inverse] = net.run(net.start(), inputs)[0]
    energy = 1 + 0.1 * inputs**2
    np.testing.assert_allclose(outputs["false"], inputs / np.sqrt(energy), 1e-4, 1e-5)
    np.testing.assert_allclose(outputs["true"], inputs * np.sqrt(energy), 1e-4, 1e-5)
