"""Settings and the layers that took them."""

from slimtrain.jobs.lints.settings import as_default, by_setting, listed, places, several, taken, unheeded, warning

CONV = "conv2d: {num_outputs: 4, kernel_size: 3, scope: %s, normalizer_fn: batch_norm%s}"


def test_every_op_and_normalizer_has_its_place(build):
    block = "{scope: body, layers: [{conv2d: {num_outputs: 1, kernel_size: 1, scope: c1, normalizer_fn: layer_norm}}]}"
    found = places(build(block, "batch_norm: {scope: bn}").document)
    assert [(p.where, p.path, p.alone, len(p.groups)) for p in found] == [
        ("conv2d 'body/c1'", "body/c1", True, 1),
        ("layer_norm in 'body/c1'", "body/c1/LayerNorm", False, 1),
        ("batch_norm 'bn'", "bn", True, 0),
        ("flatten 'Flatten'", "Flatten", True, 0),
        ("fully_connected 'logits'", "logits", True, 0),
    ]


def test_layers_are_grouped_by_what_set_their_argument(build):
    layers = [CONV % ("c1", ""), CONV % ("c2", ""), CONV % ("c3", ", normalizer_params: {decay: 0.9}")]
    net = build(*layers, "batch_norm: {decay: 0.8}", scope="{ops: batch_norm, decay: 0.99}")
    groups = by_setting(taken(net.document, "decay"))
    assert [[t.place.layer.path for t in group] for group in groups] == [["c1", "c2"], ["c3"], ["BatchNorm"]]
    told = [warning(group, "is odd", "mend it") for group in groups]
    assert [(p.where, p.what) for p in told] == [
        ("arg_scope", "is odd (in 2 layers, 'c1' the first)"),
        ("batch_norm in 'c3'", "is odd"),
        ("batch_norm 'BatchNorm'", "is odd"),
    ]


def test_a_setting_is_unheeded_where_all_that_took_it_are_idle(build):
    net = build(
        CONV % ("c1", ""), CONV % ("c2", ""), "batch_norm: {decay: 0.8}", scope="{ops: batch_norm, decay: 0.99}"
    )
    decays = taken(net.document, "decay")
    assert unheeded(decays, lambda t: t.place.path == "c1/BatchNorm") == []
    assert unheeded(decays, lambda t: t.place.path != "BatchNorm") == [decays[:2]]


def test_a_default_that_is_written_out_is_one(build):
    layers = [
        CONV % (f"c{n}", f", biases_initializer: {v}") for n, v in enumerate(["zeros", "ones", "{constant: 0.0}"])
    ]
    settings = [t.argument for t in taken(build(*layers).document, "biases_initializer")]
    assert list(map(as_default, settings)) == [True, False, False, True]


def test_numbers_in_words():
    assert (several(1, "value"), several(1024, "value")) == ("1 value", "1,024 values")
    assert several(2, "bias", "biases") == "2 biases"
    assert (listed(["a"], "layers"), listed(["a", "b"], "layers")) == ("'a'", "2 layers, 'a' the first")
