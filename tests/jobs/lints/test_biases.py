"""Settings of biases that a normalizer stands in for."""

from slimtrain.jobs.lints.biases import ignored_biases

BN = "normalizer_fn: batch_norm"
SCOPE = "{ops: conv2d, kernel_size: 3, %s}"


def warnings(net):
    return ignored_biases(net.document, net.network)


def test_a_call_is_told_with_the_number_of_biases_and_the_cure(build, told):
    net = build(f"conv2d: {{num_outputs: 4, kernel_size: 3, scope: c1, {BN}, biases_regularizer: {{l2: 0.1}}}}")
    assert told(warnings(net)) == [
        "net.yaml:8:84: conv2d 'c1': 'biases_regularizer' is ignored: batch_norm stands in for the 4 biases; "
        "remove it, or set normalizer_fn: null where you want biases"
    ]


def test_a_scope_is_told_once_for_all_layers_that_took_it(build, told):
    scope = SCOPE % f"biases_initializer: {{constant: 0.1}}, {BN}"
    net = build(*(f"conv2d: {{num_outputs: {n}, scope: c{n}}}" for n in (1000, 24)), scope=scope)
    assert told(warnings(net)) == [
        "net.yaml:6:44: arg_scope: 'biases_initializer' is ignored: batch_norm stands in for the 1,024 biases "
        "(in 2 layers, 'c1000' the first); remove it, or set normalizer_fn: null where you want biases"
    ]


def test_a_scope_that_any_layer_heeds_is_not_told(build):
    scope = SCOPE % f"biases_initializer: {{constant: 0.1}}, {BN}"
    heeding = "conv2d: {num_outputs: 2, scope: c2, normalizer_fn: null}"
    assert warnings(build("conv2d: {num_outputs: 2, scope: c1}", heeding, scope=scope)) == []


def test_one_bias_of_a_layer_with_channels_first(build):
    conv = "conv2d: {num_outputs: 1, kernel_size: 1, data_format: NCHW, biases_initializer: ones, normalizer_fn: %s}"
    params = "layer_norm, normalizer_params: {begin_params_axis: 1}"
    (problem,) = warnings(build(conv % params))
    assert problem.what == "'biases_initializer' is ignored: layer_norm stands in for the 1 bias"


def test_no_biases_wanted_and_the_default_written_out_are_not_told(build):
    for value in ("null", "zeros"):
        net = build(f"conv2d: {{num_outputs: 4, kernel_size: 3, {BN}, biases_initializer: {value}}}")
        assert warnings(net) == []
