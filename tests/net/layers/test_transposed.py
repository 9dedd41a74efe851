"""Transposed convolutions are the gradients of convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nets import layers, numbers

from slimtrain.net.lowering import convolution, transposed_convolution


@pytest.mark.parametrize("data_format", ["NWC", "NHWC", "NCHW", "NDHWC", "NCDHW"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 3), (4, 1), (1, 2)])
def test_it_is_the_gradient_of_a_valid_convolution(data_format, kernel, stride):
    dims = len(data_format) - 2
    one = dict(stride=(stride,) * dims, padding="VALID", data_format=data_format)
    weights = jnp.asarray(numbers(*(kernel,) * dims, 2, 3, seed=1))
    cells = (3,) * dims
    given = numbers(1, 3, *cells) if data_format[1] == "C" else numbers(1, *cells, 3)
    size = [3 * stride + max(kernel - stride, 0)] * dims
    image = jnp.zeros((1, 2, *size) if data_format[1] == "C" else (1, *size, 2))
    forward = lambda x: convolution(x, weights, rate=(1,) * dims, **one)  # noqa: E731
    wanted = jax.vjp(forward, image)[1](jnp.asarray(given))[0]
    np.testing.assert_allclose(transposed_convolution(jnp.asarray(given), weights, **one), wanted, 1e-4, 1e-5)


@pytest.mark.parametrize(("padding", "size"), [("SAME", (6, 12)), ("VALID", (7, 12))])
def test_sizes_and_kernel_layout(padding, size):
    item = f"conv2d_transpose: {{num_outputs: 5, kernel_size: 3, stride: [2, 4], padding: {padding}, scope: t}}"
    net = layers(f"[{{{item}}}]", (3, 3, 2))
    assert net.network.declaration.output_shape[1:] == (*size, 5)
    assert net.specs["t/weights"].shape == (3, 3, 5, 2)
