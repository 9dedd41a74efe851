"""The six nets that are timed, said once for slimtrain and its peers; the interpreters of all read this file."""

from dataclasses import dataclass

RATE = 0.01
MOMENTUM = "optimizer={momentum: {learning_rate: 0.01, momentum: 0.9}}"
SGD = "optimizer={sgd: {learning_rate: 0.01}}"


@dataclass(frozen=True)
class Case:
    """A net, its batch and its optimizer.

    Args:
        title: as the tables name it.
        config: slimtrain's config, from the root of the repository.
        overrides: on it; they give the batch, float32 and the optimizer.
        undropped: overrides that switch its dropout off.
        batch: examples.
        shape: of an image; [features] for a multi-layer perceptron.
        classes: of its labels.
        parameters: trainable ones.
        momentum: of the optimizer, 0 for plain gradient descent.
        weight_decay: scale of the L2 regularizer of the kernels that have one.
        steps: that a run times where --steps doesn't say.
    """

    title: str
    config: str
    overrides: tuple[str, ...]
    undropped: tuple[str, ...]
    batch: int
    shape: tuple[int, ...]
    classes: int
    parameters: int
    momentum: float
    weight_decay: float
    steps: int


CASES = {
    "mlp": Case(
        "MLP 784-512-512-10",
        "tests/benchmarks/configs/mlp.yaml",
        (MOMENTUM,),
        (),
        128,
        (784,),
        10,
        669_706,
        0.9,
        0.0,
        200,
    ),
    "lenet": Case(
        "LeNet, 28x28",
        "configs/lenet_mnist.yaml",
        (MOMENTUM,),
        ("model.layers.6.dropout.keep_prob=1.0",),
        128,
        (28, 28, 1),
        10,
        3_274_634,
        0.9,
        0.0,
        40,
    ),
    "cifarnet": Case(
        "CifarNet, 32x32",
        "configs/cifarnet_cifar10.yaml",
        (SGD,),
        ("model.layers.8.dropout.keep_prob=1.0",),
        128,
        (32, 32, 3),
        10,
        1_756_426,
        0.0,
        0.004,
        20,
    ),
    "resnet20": Case(
        "ResNet-20, 32x32",
        "configs/resnet20_cifar10.yaml",
        (MOMENTUM,),
        (),
        128,
        (32, 32, 3),
        10,
        269_722,
        0.9,
        1e-4,
        20,
    ),
    "mobilenet": Case(
        "MobileNet v1 0.25, 128x128",
        "tests/benchmarks/configs/mobilenet_v1_025.yaml",
        (MOMENTUM,),
        ("model.layers.2.layers.1.dropout.keep_prob=1.0",),
        32,
        (128, 128, 3),
        1001,
        470_329,
        0.9,
        4e-5,
        20,
    ),
    "resnet50": Case(
        "ResNet-50 v1, 224x224",
        "configs/resnet_v1_50_imagenet.yaml",
        ("params.batch=8", "train.precision=float32", MOMENTUM),
        (),
        8,
        (224, 224, 3),
        1000,
        25_557_032,
        0.9,
        1e-4,
        8,
    ),
}
