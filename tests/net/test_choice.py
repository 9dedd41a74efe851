"""Which way a convolution is computed on a CPU."""

import pytest
from hypothesis import given, settings
from kernels import FITS, NATIVE, geometries

from slimtrain.net.choice import KINDS, choose
from slimtrain.net.geometry import geometry
from slimtrain.net.lowerings import WAYS

LENET = ((128, 14, 14, 32), (5, 5, 32, 64), 1)
RESNET_20 = ((128, 32, 32, 16), (3, 3, 16, 16), 1)
RESNET_50_REDUCE = ((16, 56, 56, 256), (1, 1, 256, 64), 1)
RESNET_50_STEM = ((16, 224, 224, 3), (7, 7, 3, 64), 2)
RESNET_50_LAST = ((16, 7, 7, 512), (1, 1, 512, 2048), 1)
MOBILENET = ((32, 16, 16, 64), (3, 3, 1, 64), 2)
DOWN = ((128, 32, 32, 16), (3, 3, 16, 32), 2)


def shapes(inputs, weights, stride):
    rank = len(inputs) - 2
    return geometry(inputs, weights, (stride,) * rank, "SAME", (1,) * rank, inputs[-1] // weights[-2])


@pytest.mark.parametrize(
    ("kind", "of", "way"),
    [
        *((kind, RESNET_50_REDUCE, "product") for kind in KINDS),
        *((kind, MOBILENET, "shifted") for kind in KINDS),
        ("forward", RESNET_20, "xla"),
        ("input_gradient", RESNET_20, "xla"),
        ("weights_gradient", RESNET_20, "columns"),
        ("weights_gradient", RESNET_50_STEM, "columns"),
        ("weights_gradient", LENET, "columns"),
        ("weights_gradient", ((32, 28, 28, 8), (5, 5, 8, 16), 1), "xla"),
        ("input_gradient", DOWN, "phases"),
        ("input_gradient", ((2, 8, 28, 28, 8), (3, 3, 3, 8, 8), 2), "phases"),
    ],
)
def test_without_the_native_part(kind, of, way):
    assert choose(kind, shapes(*of), "float32", 0) == way


@pytest.mark.parametrize(
    ("kind", "of", "way"),
    [
        *((kind, MOBILENET, "onednn") for kind in KINDS),
        *((kind, RESNET_50_LAST, "product") for kind in KINDS),
        *((kind, RESNET_50_REDUCE, "onednn") for kind in KINDS),
        ("forward", DOWN, "direct"),
        ("weights_gradient", RESNET_50_STEM, "products"),
        *((kind, RESNET_20, "winograd") for kind in KINDS),
        *((kind, LENET, "winograd") for kind in KINDS),
        *((kind, ((8, 7, 7, 512), (3, 3, 512, 512), 1), "winograd") for kind in KINDS),
    ],
)
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_with_the_native_part(kind, of, way, lanes):
    assert choose(kind, shapes(*of), "float32", lanes) == way


OWN = ["direct", "direct", "products", "products"]


@pytest.mark.parametrize("inputs", [(2, 7, 7, 512), (128, 5, 5, 512), (128, 1, 40, 512)])
def test_tiles_have_to_be_worth_their_transforms(inputs):
    """Many weights beside few tiles; tiles that stand out over the edges."""
    assert all("winograd" != choose(kind, shapes(inputs, (3, 3, 512, 512), 1), "float32", 8) for kind in KINDS)


@pytest.mark.parametrize("lanes, ways", [(4, OWN), (8, OWN), (16, ["onednn"] * 4)])
def test_the_widest_vectors_are_left_to_onednn(lanes, ways):
    expand = shapes((16, 14, 14, 256), (1, 1, 256, 1024), 1)
    few = shapes((128, 32, 32, 16), (4, 4, 16, 16), 1)
    found = [choose(kind, few, "float32", lanes) for kind in KINDS]
    assert [*found, choose("weights_gradient", expand, "float32", lanes)] == ways


@pytest.mark.parametrize("lanes", [0, 8, 16])
def test_half_precision_and_empty_batches_are_left_to_xla(lanes):
    assert choose("forward", shapes(*MOBILENET), "bfloat16", lanes) == "xla"
    assert choose("forward", shapes((0, 8, 8, 4), (1, 1, 4, 4), 1), "float32", lanes) == "xla"


@settings(max_examples=300)
@given(of=geometries())
def test_the_way_chosen_takes_the_shape(of):
    for kind in KINDS:
        for lanes in (0, 4, 8, 16):
            way = choose(kind, of, "float32", lanes)
            assert kind in NATIVE[way] if way in NATIVE else kind in WAYS[way]
            assert way not in FITS or FITS[way](kind, of)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kernel_of_many_taps_is_not_written_out(kind):
    assert choose(kind, shapes((2, 64, 64, 8), (31, 31, 1, 8), 1), "float32", 0) == "xla"
    assert choose(kind, shapes((2, 64, 64, 3), (31, 31, 3, 8), 1), "float32", 0) == "xla"
