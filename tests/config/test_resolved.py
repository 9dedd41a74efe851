"""The resolved config: nothing left to resolve, read back as the same plan."""

from pathlib import Path

import pytest

from slimtrain.config.document import read
from slimtrain.config.resolved import resolved
from slimtrain.errors import ConfigError
from slimtrain.jobs.builtin import catalog

HERE = Path(__file__).parents[1]
CONFIGS = [*HERE.glob("golden/*/config.yaml"), *(HERE.parent / "configs").glob("*.yaml")]
FORMS = """\
seed: 3
data: {source: digits, augment: [{random_crop: {pad: 1}}]}
blocks:
  unit: {params: {n: 4}, layers: [{conv2d: {num_outputs: $n, kernel_size: 1, activation_fn: null}}]}
scopes:
  bn: [{ops: conv2d, normalizer_fn: {batch_norm: {param_initializers: {gamma: {constant: 2}}}}}]
model:
  scope: Net
  arg_scope: bn
  layers:
  - conv2d: {num_outputs: 4, kernel_size: 1, scope: stem, alias: first, outputs_collections: mine, trainable: false}
  - {scope: twice, repeat: 2, layers: [{block: unit}]}
  - residual: {layers: [{block: unit, with: {n: 4}}], activation_fn: {leaky_relu: {alpha: 0.1}}}
  - {scope: stem2, layers: [{conv2d: {num_outputs: 4, kernel_size: 1, scope: a}}, flatten], inputs: stem}
  - tap: {scope: aux, layers: [flatten]}
  - fully_connected: {num_outputs: 4, weights_regularizer: {sum: [{l1: 0.1}, {sum: []}]}}
  - concat: {axis: 1, branches: [[flatten], {layers: [flatten], inputs: first}]}
  - add: {inputs: [first, Net/stem], scope: sum}
  - repeat: {layer: {conv2d: {num_outputs: 4, kernel_size: 1}}, repetitions: 2, remat: true}
  - flatten
  - stack: {layer: fully_connected, stack_args: [6, 5], scope: fc}
  - fully_connected: {num_outputs: 5, scope: fc/fc_2, reuse: true}
losses: [{mean_squared_error: {weight: 0.5}}, {softmax_cross_entropy: {logits: Net/fc/fc_1}}]
metrics: [{top_k: 3}]
optimizer:
  rmsprop: {learning_rate: {warmup: {steps: 5, then: {piecewise_constant: {boundaries: [1], values: [1, 2]}}}}}
train: {steps: 3, gradient_multipliers: {fc: 2.0}, variables_to_train: [Net]}
"""


def again(folder: Path, text: str) -> str:
    (folder / "again.yaml").write_text(text)
    return resolved(read(folder / "again.yaml", (), catalog()))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.parent.name if p.name == "config.yaml" else p.stem)
def test_a_config_of_the_project_resolves_to_a_fixed_point(tmp_path, path):
    try:
        text = resolved(read(path, (), catalog()))
    except ConfigError as error:
        told = [p.what for p in error.problems]
        assert all(what.startswith(("no op ", "no normalizer ")) for what in told), "of ops yet to come only"
        return
    assert again(tmp_path, text) == text


def test_every_form_resolves_to_a_fixed_point_with_the_same_layers(tmp_path):
    (tmp_path / "net.yaml").write_text(FORMS)
    document = read(tmp_path / "net.yaml", (), catalog())
    text = resolved(document)
    assert again(tmp_path, text) == text
    found = read(tmp_path / "again.yaml", (), catalog())
    assert [layer.path for layer in found.plan.layers()] == [layer.path for layer in document.plan.layers()]
    for word in ("arg_scope", "block:", "repeat", "stack", "$"):
        assert word not in text


def test_origins_are_remarks_only(tmp_path):
    (tmp_path / "net.yaml").write_text(FORMS)
    document = read(tmp_path / "net.yaml", ["train.steps=9"], catalog())
    shown = resolved(document, origins=True)
    assert "steps: 9" in shown and "# command line" in shown
    assert "# scope at net.yaml:6" in shown and "# call at net.yaml:11" in shown and "# default" in shown
    assert again(tmp_path, shown) == resolved(document)


def test_an_empty_list_that_is_given_is_kept(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("model: {layers: [flatten]}\ntrain: {steps: 1, update_ops: []}\n")
    assert "update_ops: []" in resolved(read(path, (), catalog()), False)
    path.write_text(resolved(read(path, (), catalog()), False))
    assert read(path, (), catalog()).train.update_ops == ()
