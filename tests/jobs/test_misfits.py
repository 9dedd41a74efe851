"""What is told of weights that do not fit: few lines, the nearest names, and a cure to paste."""

from types import SimpleNamespace

import numpy as np
import pytest

from slimtrain.errors import CheckpointError, Mark
from slimtrain.jobs.misfits import misfits
from slimtrain.jobs.restore import Filter, fit_weights

CLASSES, OTHER = 5, 1001


def net(classes, root="", layers=3):
    """Names and shapes of a net with two heads."""
    shapes = {f"conv{i}/{part}": (3, 3, 2, 2) if part == "weights" else (2,) for i in range(layers) for part in PARTS}
    heads = {"logits": (8, classes), "AuxLogits/Conv2d_2b": (1, 1, 4, classes)}
    for scope, shape in heads.items():
        shapes |= {f"{scope}/weights": shape, f"{scope}/biases": shape[-1:]}
    return {f"{root}{name}": shape for name, shape in shapes.items()}


PARTS = ("weights", "BatchNorm/beta", "BatchNorm/moving_mean")


def specs(shapes):
    return {n: SimpleNamespace(name=n, shape=s, dtype="float32") for n, s in shapes.items()}


def arrays(shapes):
    return {n: np.zeros(s, np.float32) for n, s in shapes.items()}


def told(wanted, given, chosen=None):
    """The lines of the refusal, without where the weights are from."""
    with pytest.raises(CheckpointError) as caught:
        fit_weights(specs(wanted), given, "w.npz", chosen)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("w.npz: ") for line in lines)
    return [line.removeprefix("w.npz: ") for line in lines]


def test_what_fits_is_no_misfit():
    assert misfits(specs(net(5)), arrays(net(5)), "w.npz", lambda scopes: "x") == []


HEADS = [
    "'logits/weights' has shape [8, 1001] there, [8, 5] in this net (and 1 more in logits/)",
    "'AuxLogits/Conv2d_2b/weights' has shape [1, 1, 4, 1001] there, [1, 1, 4, 5] in this net"
    " (and 1 more in AuxLogits/Conv2d_2b/)",
]


def test_heads_of_another_number_of_classes():
    together = "looks like a net of 1001 classes, where this one has 5; start them fresh with"
    given = arrays(net(OTHER))
    assert told(net(CLASSES), given) == HEADS
    pasteable = "--exclude AuxLogits/Conv2d_2b/ --exclude logits/"
    assert told(net(CLASSES), given, Filter()) == [*HEADS, f"{together} {pasteable}"]
    written = Filter(where="train.init_", mark=Mark("c.yaml", 3, 1))
    assert told(net(CLASSES), given, written)[-1] == (f"{together} train.init_exclude: [AuxLogits/Conv2d_2b/, logits/]")
    excludes = tuple(word for word in pasteable.split() if word != "--exclude")
    left = Filter(exclude=excludes).names(net(CLASSES))
    assert set(fit_weights({n: s for n, s in specs(net(CLASSES)).items() if n in left}, given, "w.npz")) == set(left)


def test_one_scope_alone():
    given = arrays(net(CLASSES)) | {"logits/weight": np.zeros((8, CLASSES))}
    del given["logits/weights"]
    lacking = "has no 'logits/weights'; did you mean 'logits/weight'?"
    assert told(net(CLASSES), given) == [lacking]
    assert told(net(CLASSES), given, Filter()) == [f"{lacking} or start it fresh with --exclude logits/"]
    wrong = arrays(net(CLASSES)) | {"conv1/weights": np.zeros((3, 3, 2)), "conv1/BatchNorm/beta": np.array(["a", "b"])}
    assert told(net(CLASSES), wrong, Filter()) == [
        "'conv1/weights' has shape [3, 3, 2] there, [3, 3, 2, 2] in this net",
        "'conv1/BatchNorm/beta' holds no numbers",
        "2 of 13 variables do not fit; start it fresh with --exclude conv1/",
    ]


def test_many_misfits_take_few_lines():
    wanted = net(CLASSES, layers=200)
    lines = told(wanted, arrays({"other/kernel": (1,)}), Filter())
    assert lines == ["has no 'conv0/weights' (and 603 more); is it of this net?"]
    deep = {f"block{i}/unit{j}/conv/weights": (2, 2) for i in range(4) for j in range(30)}
    lines = told(deep, arrays({"other/kernel": (1,)}), Filter())
    assert lines == [f"has no 'block{i}/unit0/conv/weights' (and 29 more in block{i}/)" for i in range(4)] + [
        "120 of 120 variables do not fit; is it of this net?"
    ]


@pytest.mark.parametrize(
    "here, there, sentence",
    [
        ("", "resnet_v1_50/", "under 'resnet_v1_50/', this net's under no scope; set model.scope=resnet_v1_50"),
        ("Net/", "resnet_v1_50/", "under 'resnet_v1_50/', this net's under 'Net/'; set model.scope=resnet_v1_50"),
        ("Net/", "", "under no scope, this net's under 'Net/'; take model.scope away"),
    ],
)
def test_another_root_scope(here, there, sentence):
    for classes in (CLASSES, OTHER):
        lines = told(net(CLASSES, here), arrays(net(classes, there)), Filter())
        assert lines == [f"its variables stand {sentence}"]
