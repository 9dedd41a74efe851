"""Which batch norms fold, why others stay, and what is left of the config."""

from nets import read

from slimtrain.config.folding import Fold, folded
from slimtrain.config.resolved import tree
from slimtrain.config.yaml_out import dump

NET = """
seed: 1
model:
  scope: Net
  input: {shape: [6, 6, 2]}
  arg_scope:
    - {ops: [conv2d, fully_connected], normalizer_fn: batch_norm, weights_regularizer: {l2: 0.1}}
    - {ops: [conv2d], num_outputs: 4, kernel_size: 3}
    - {ops: [batch_norm], scale: true}
  layers:
    - conv2d: {scope: first}
    - residual:
        scope: unit
        shortcut: [{conv2d: {scope: short, activation_fn: null}}]
        layers: [{conv2d: {scope: inner, normalizer_params: {scope: named}}}]
    - conv2d: {scope: shared, alias: once}
    - conv2d: {scope: shared, reuse: true}
    - conv2d_in_plane: {kernel_size: 3, normalizer_fn: batch_norm, scope: plane}
    - conv2d: {scope: pinned, normalizer_params: {is_training: true}}
    - conv2d: {scope: active, normalizer_params: {activation_fn: tanh}}
    - conv2d: {scope: before}
    - batch_norm: {scope: alone}
    - add: {inputs: [alone, before/BatchNorm]}
    - flatten
    - fully_connected: {num_outputs: 3, scope: logits, activation_fn: null}
losses: [sparse_softmax_cross_entropy]
metrics: [accuracy]
optimizer: {momentum: {learning_rate: 0.1}}
train: {steps: 5, freeze: [first/BatchNorm], variables_to_train: [logits], precision: bfloat16}
"""


def test_each_batch_norm_is_told_with_the_reason_where_it_stays():
    folding = folded(read(NET))
    assert folding.told() == [
        "folded Net/first/BatchNorm into Net/first/weights",
        "folded Net/unit/short/BatchNorm into Net/unit/short/weights",
        "folded Net/unit/inner/named into Net/unit/inner/weights",
        "folded Net/logits/BatchNorm into Net/logits/weights",
        "kept Net/shared/BatchNorm: its variables are shared",
        "kept Net/plane/BatchNorm: conv2d_in_plane has no weights for each channel",
        "kept Net/pinned/BatchNorm: is_training: true takes the batch's statistics in evaluations too",
        "kept Net/active/BatchNorm: it has an activation_fn of its own",
        "kept Net/before/BatchNorm: its output is read elsewhere",
        "kept Net/alone: a layer of its own",
    ]


def test_a_fold_names_the_variables():
    assert folded(read(NET)).folds[2] == Fold(
        "Net/unit/inner", "Net/unit/inner/named", 0.001, "Net/unit/inner/weights", (-1,)
    )


def test_a_folded_layer_has_biases_and_no_penalties():
    document = read(dump(tree(folded(read(NET)).document)))
    layers = {layer.path: layer.op for layer in document.plan.layers()}
    for path, op in layers.items():
        if path in ("Net/first", "Net/unit/short", "Net/unit/inner", "Net/logits"):
            assert (op.value("normalizer_fn"), op.value("weights_regularizer")) == (None, None)
            assert op.value("biases_initializer").name == "zeros"
    assert layers["Net/before"].value("weights_regularizer").name == "l2"


def test_what_is_for_training_is_left_out():
    document = folded(read(NET)).document
    assert document.optimizer is None and document.train.freeze is None and document.train.steps is None
    assert [c.name for c in (*document.losses, *document.metrics)] == ["sparse_softmax_cross_entropy", "accuracy"]
    assert {"optimizer", "train"} & set(tree(document)) == {"train"} and document.train.precision == "bfloat16"


def test_it_folds_once():
    again = folded(folded(read(NET)).document)
    assert again.folds == () and len(again.kept) == 6
