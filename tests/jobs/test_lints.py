"""Which warnings there are where, and none on configs that mean what they say."""

from pathlib import Path

import pytest
from nets import whole

from slimtrain.config.document import read
from slimtrain.config.resolved import resolved
from slimtrain.jobs.build import make_task, network
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.check import check
from slimtrain.jobs.lints import planned_warnings, training_warnings, warnings_of, written_warnings

TESTS = Path(__file__).parents[1]
CONFIGS = sorted((TESTS.parent / "configs").rglob("*.yaml"))
RECIPES = [path for path in CONFIGS if path.parent.name != "nets"]
CASES = sorted(TESTS.glob("golden*/*/config.yaml"))
RANK = "inputs of rank "
STILL = "keeps 2 of "
EXPECTED = {
    "train_only_some": [STILL],
    "bn_decays_at_the_ends": [
        "decay 1 keeps the statistics at their start",
        "renorm_decay 1 keeps renorm's statistics at their start",
    ],
    "bn_options_rank3": ["its updates stand in ['update_ops'], which train.update_ops ['yours']"],
    "bn_custom_collections": ["its updates stand in ['update_ops'], which train.update_ops ['first', 'third']"],
    "bn_no_update_ops": ["its updates stand in ['update_ops'], which train.update_ops []"],
    "bn_paths_rank3": [RANK],
    "bn_paths_rank4": [RANK],
    "bn_shared": ["decay 1 keeps the statistics at their start"],
    "bn_shared_no_updates": ["its updates stand in ['update_ops'], which train.update_ops []"],
    "clip_multipliers_and_some": [STILL],
    "ops_gdn": ["'softmax' already gives probabilities"],
    "ops_odds_and_ends": [RANK],
    "regularizers_summed": ["'biases_regularizer' is never summed: there are no biases (in 2 layers"],
    "scopes_with_repeat_and_stack": ["false keeps 3 of 6 variables"],
    "train_some_without_updates": ["its updates stand in ['update_ops'], which train.update_ops []"],
    "trainable_false": ["false keeps 1 of 2 variables", "false keeps 3 of 3 variables"],
}
"""What the parity cases are about, as their warnings begin."""

TEXT = """\
data: {source: digits, batch_size: 1}
model:
  layers:
  - conv2d:
      num_outputs: 2
      kernel_size: 3
      scope: c1
      normalizer_fn: batch_norm
      normalizer_params: {is_training: true}
      biases_regularizer: {l2: 0.1}
  - flatten
  - fully_connected: {num_outputs: 10, activation_fn: null, scope: logits}
"""
TRAINED = "losses: [sparse_softmax_cross_entropy]\noptimizer: {sgd: 0.1}\n"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_the_configs_that_ship_give_no_warning(path):
    assert [str(p) for p in check(path, (), (), fast=False)] == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_nor_do_they_with_every_value_written_out(path, tmp_path):
    copy = tmp_path / "resolved.yaml"
    copy.write_text(resolved(read(path, (), catalog()), origins=True))
    assert [str(p) for p in check(copy, (), (), fast=False)] == []


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.parent.name)
def test_the_parity_cases_give_those_they_are_about(path):
    document = read(path, (), catalog())
    net = network(document)
    expected = EXPECTED.get(path.parent.name, [])
    found = [p.what for p in training_warnings(document, net, make_task(document, net), None)]
    assert [what.startswith(begin) for what, begin in zip(found, expected, strict=True)] == [True] * len(expected), (
        found
    )


def test_each_command_gives_those_that_suit_it():
    net = whole(TEXT + TRAINED)
    pinned, one, ignored = 9, 1, 10
    assert warnings_of(net.document, net.network) == []
    assert lines(warnings_of(net.document, net.network, evaluating=True)) == [pinned]
    assert lines(written_warnings(net.document, net.network)) == [ignored]
    assert lines(training_warnings(net.document, net.network, net.task, None)) == [one, ignored]
    assert lines(planned_warnings(net.document, net.network, net.task, 10)) == [4]


def test_a_config_that_is_not_to_be_trained_is_spared_those_on_training():
    net = whole(TEXT)
    assert lines(training_warnings(net.document, net.network, net.task, 10)) == [10]


def test_the_commands_tell_them(cli, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(TEXT + TRAINED + "train: {steps: 10}\n")
    told = {
        ("check",): [1, 4, 10],
        ("fit", "--dry-run"): [1, 4, 10],
        ("inspect",): [10],
        ("check", "--fast"): [],
    }
    for words, numbers in told.items():
        done = cli(*words, path)
        shown = [line for line in done.err.splitlines() if line.endswith("[warning]")]
        assert [line.startswith(f"{path}:{n}:") for line, n in zip(shown, numbers, strict=True)] == [True] * len(
            numbers
        )


def test_check_counts_steps_without_opening_data(cli, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(TEXT + TRAINED + "train: {epochs: 2}\n")
    found = [["data.batch_size=479"], ["+data.path=no_such_folder", "data.source=mnist", "data.batch_size=1000"]]
    for words, steps in zip(found, (6, 120), strict=True):
        assert f"in the statistics after {steps} steps" in cli("check", path, *words).err
    elsewhere = [
        "data.source=arrays",
        "+data.train=no_such.npz",
        "+model.input={shape: [8, 8, 1]}",
        "data.batch_size=9",
    ]
    assert "of the start" not in cli("check", path, *elsewhere).err


def lines(problems):
    return [p.mark.line for p in problems]
