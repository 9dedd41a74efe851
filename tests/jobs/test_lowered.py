"""What a user is told of how each convolution is computed."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from nets import numbers

from slimtrain import native
from slimtrain.jobs.lowered import ways
from slimtrain.net.lowering import convolution, transposed_convolution


def net(weights, images):
    """Two convolutions in named layers, one in a block that is computed again backward."""
    same = partial(convolution, stride=(1, 1), padding="SAME", rate=(1, 1), data_format="NHWC")
    with jax.named_scope("net/conv1"):
        images = same(images, weights[0])
    block = jax.checkpoint(lambda w, x: same(x, w))
    with jax.named_scope("net/conv2"):
        images = block(weights[1], images)
    with jax.named_scope("net/up"):
        images = transposed_convolution(images, weights[2], stride=(2, 2), padding="SAME", data_format="NHWC")
    return jnp.sum(images**2)


@pytest.fixture
def arrays():
    return [numbers(3, 3, 3, 16), numbers(4, 4, 16, 16), numbers(3, 3, 8, 16)], numbers(2, 8, 8, 3)


@pytest.mark.skipif(not native.ready(), reason="there is no native part here")
@pytest.mark.parametrize("lanes, second", [(8, "direct/direct/products"), (16, "onednn")])
def test_each_layer_has_its_ways(arrays, lanes, second, monkeypatch):
    monkeypatch.setattr("slimtrain.net.bilinear.lanes", lambda: lanes)
    found = ways(jax.jit(jax.grad(net)), *arrays)
    assert found["net/conv1"] == "onednn"
    assert found["net/conv2"] == second
    assert set(found) == {"net/conv1", "net/conv2", "net/up"}


def test_without_the_native_part_they_are_xlas(arrays, monkeypatch):
    monkeypatch.setattr("slimtrain.net.bilinear.lanes", lambda: 0)
    assert "onednn" not in " ".join(ways(jax.grad(net), *arrays).values())
