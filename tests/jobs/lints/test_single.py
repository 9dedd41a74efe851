"""Batch norm on one example."""

from slimtrain.jobs.lints.single import single_examples

ONE = "{source: digits, batch_size: 1}"
CONV = "conv2d: {num_outputs: 4, kernel_size: 3, normalizer_fn: %s, scope: c1}"
DENSE = "fully_connected: {num_outputs: 4, normalizer_fn: batch_norm, scope: %s}"
CURE = "take more examples, group_norm, or is_training: false on batch_norm"


def warnings(net):
    return single_examples(net.document, net.network)


def test_over_one_value_the_output_is_beta(build, told):
    net = build(CONV % "batch_norm", "flatten", DENSE % "fc1", DENSE % "fc2", data=ONE)
    assert told(warnings(net)) == [
        "net.yaml:1:24: data: batch_size 1 leaves batch norm one example: in 2 batch norms, 'fc1/BatchNorm' the first, "
        "a channel is normalized over 1 value, so its variance is 0 and its output is beta whatever comes in; " + CURE
    ]


def test_with_space_each_image_is_normalized_by_itself(build, told):
    assert told(warnings(build(CONV % "batch_norm", data=ONE))) == [
        "net.yaml:1:24: data: batch_size 1 leaves batch norm one example: each image is normalized by itself, over 64 "
        "values a channel in 'c1/BatchNorm'; " + CURE
    ]


def test_a_range_of_values(build):
    (problem,) = warnings(build(CONV % "batch_norm", "max_pool2d: {kernel_size: 2}", "batch_norm: {}", data=ONE))
    assert problem.what.endswith("over 16 to 64 values a channel in 2 batch norms, 'c1/BatchNorm' the first")


def test_what_does_not_rest_on_the_batch_is_not_told(build):
    frozen = "batch_norm, normalizer_params: {is_training: false}"
    renormed = "batch_norm, normalizer_params: {renorm: true}"
    for normalizer in ("group_norm, normalizer_params: {groups: 2}", frozen, renormed, "null"):
        assert warnings(build(CONV % normalizer, data=ONE)) == []


def test_two_examples_are_not_told(build):
    assert warnings(build(CONV % "batch_norm", data="{source: digits, batch_size: 2}")) == []


def test_a_batch_that_is_taken_in_parts_of_one_example(build, told):
    assert told(warnings(build(CONV % "batch_norm", train="{steps: 100, accumulate: 16}"))) == [
        "net.yaml:4:21: train: accumulate 16 leaves batch norm one example: each image is normalized by itself, over "
        f"64 values a channel in 'c1/BatchNorm'; {CURE}"
    ]
    assert warnings(build(CONV % "batch_norm", train="{steps: 100, accumulate: 8}")) == []
