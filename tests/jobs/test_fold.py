"""`--fold-bn`: the folded network computes what the network with its batch norms does, of every kind of layer."""

from pathlib import Path

import numpy as np
import pytest
from nets import Net, layers, numbers

from slimtrain.config.document import check
from slimtrain.config.resolved import resolved
from slimtrain.config.text import read_text
from slimtrain.errors import ConfigError
from slimtrain.jobs.build import make_task, network
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.fold import folded_variables, folding_of

NORM = "normalizer_fn: {batch_norm: {scale: true, epsilon: 0.01}}"
LAYERS = {
    "conv1d": ("{num_outputs: 3, kernel_size: 3}", (7, 4)),
    "conv2d": ("{num_outputs: 3, kernel_size: 3, stride: 2}", (6, 5, 4)),
    "conv3d": ("{num_outputs: 3, kernel_size: 2}", (3, 4, 3, 2)),
    "fully_connected": ("{num_outputs: 3}", (5,)),
    "separable_conv2d": ("{num_outputs: 3, kernel_size: 3, depth_multiplier: 2}", (6, 5, 4)),
    "depthwise": ("{num_outputs: null, kernel_size: 3, depth_multiplier: 2}", (6, 5, 4)),
    "conv2d_transpose": ("{num_outputs: 3, kernel_size: 3, stride: 2}", (3, 4, 2)),
    "conv3d_transpose": ("{num_outputs: 3, kernel_size: 2}", (2, 3, 2, 2)),
}


def folded_net(net):
    """(the folded net, read from its own config text; the folding)."""
    folding = folding_of(net.document)
    document = check(Path("folded.yaml"), read_text(resolved(folding.document), "folded.yaml"), catalog())
    built = network(document)
    return Net(document, built, make_task(document, built)), folding


def same(net, inputs, tolerance=1e-5):
    """Asserts that the net and the folded one agree; gives the folding."""
    variables = net.random()
    other, folding = folded_net(net)
    want, got = net.run(variables, inputs)[0], other.run(folded_variables(folding, variables), inputs)[0]
    assert set(folded_variables(folding, variables)) == set(other.specs)
    np.testing.assert_allclose(got, want, tolerance, tolerance * np.abs(want).max())
    return folding


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_takes_its_batch_norm_in(kind):
    arguments, shape = LAYERS[kind]
    op = "separable_conv2d" if kind == "depthwise" else kind
    folding = same(layers(f"[{op}: {{{arguments[1:-1]}, {NORM}, scope: here}}]", shape), numbers(3, *shape))
    weights = {"separable_conv2d": "pointwise_weights", "depthwise": "depthwise_weights"}.get(kind, "weights")
    assert folding.told() == [f"folded here/BatchNorm into here/{weights}"]


@pytest.mark.parametrize("words", ["center: false", "scale: false", "renorm: true", "zero_debias_moving_mean: true"])
def test_its_options_fold_too(words):
    text = f"[conv2d: {{num_outputs: 3, kernel_size: 3, normalizer_fn: {{batch_norm: {{{words}}}}}, scope: here}}]"
    same(layers(text, (5, 4, 2)), numbers(2, 5, 4, 2))


def test_channels_first():
    norm = "normalizer_fn: {batch_norm: {%s}}"
    text = f"[conv2d: {{num_outputs: 3, kernel_size: 1, data_format: NCHW, scope: here, {norm}}}]"
    same(layers(text % "data_format: NCHW", (4, 5, 3)), numbers(2, 4, 5, 3))
    with pytest.raises(ConfigError, match="here/BatchNorm: its data_format is not its layer's"):
        folding_of(layers(text % "", (4, 5, 3)).document)


def test_what_can_not_fold_stays_as_it_was():
    text = """[conv2d: {num_outputs: 4, kernel_size: 3, normalizer_fn: batch_norm, scope: first},
               conv2d: {num_outputs: 4, kernel_size: 3, normalizer_fn: batch_norm, scope: shared},
               conv2d: {num_outputs: 4, kernel_size: 3, normalizer_fn: batch_norm, scope: shared, reuse: true},
               batch_norm: {scope: alone, activation_fn: relu}]"""
    folding = same(layers(text, (5, 5, 4)), numbers(3, 5, 5, 4))
    assert [fold.norm for fold in folding.folds] == ["first/BatchNorm"]
    assert list(folding.kept) == ["shared/BatchNorm", "alone"]


def test_there_must_be_something_to_fold():
    with pytest.raises(ConfigError, match="--fold-bn: no batch norm can be folded; leave it out"):
        folding_of(layers("[flatten]").document)
