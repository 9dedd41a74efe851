"""`check`, `resolve`, `explain`: every problem at once; the config as it is understood; where a value is from."""

import json

import pytest

BAD = """\
data: {source: digits}
model:
  layers:
    - conv2d: {num_outputs: 4, padding: SIDEWAYS, kernel_size: 3, scope: conv1}
    - conv9
    - fully_connected: {num_outputs: 4, scope: fc}
    - fully_connected: {num_outputs: -1, scope: fc}
losses: [sparse]
train: {stepz: 3}
"""
SHAPE = """\
data: {source: digits}
model:
  arg_scope: {ops: [batch_norm], decay: 0.5}
  layers:
    - flatten
    - max_pool2d: {kernel_size: 2, scope: pool}
"""


@pytest.fixture
def config(tmp_path):
    """A function that writes a config."""

    def write(text):
        path = tmp_path / "net.yaml"
        path.write_text(text)
        return path

    return write


def test_all_problems_at_once(cli, config):
    path = config(BAD)
    done = cli("check", path, "--fast", "--json")
    assert done.code == 2
    lines = done.err.splitlines()
    starts = [
        "4:41: conv2d 'conv1': padding: ",
        "5:7: layers: no op 'conv9'",
        "7:38: fully_connected 'fc': num_outputs: ",
        "7:42: fully_connected 'fc': scope 'fc' is taken at ",
        "8:10: config: losses: no loss 'sparse'",
        "9:9: train: unknown key 'stepz'; did you mean 'steps'?",
    ]
    assert [line.startswith(f"{path}:{start}") for line, start in zip(lines, starts, strict=True)] == [True] * 6, lines
    told = json.loads(done.out)
    assert told["ok"] is False and len(told["problems"]) == 6
    problem = told["problems"][5]
    assert set(problem) == {"file", "line", "column", "severity", "where", "message", "hint"}
    place = (problem["file"], problem["line"], problem["column"], problem["severity"], problem["where"])
    assert place == (str(path), 9, 9, "error", "train")
    assert cli("check", path).out == "6 errors, 0 warnings\n"


def test_shapes_come_after_names_and_carry_their_line(cli, config):
    path = config(SHAPE)
    whole, fast = cli("check", path), cli("check", path, "--fast", "--json")
    assert (whole.code, whole.out) == (2, "1 error, 1 warning\n")
    warning, error = whole.err.splitlines()
    assert warning.startswith(f"{path}:3:34: arg_scope: 'decay' for batch_norm is never used; ")
    assert warning.endswith("[warning]")
    assert error.startswith(f"{path}:6:7: max_pool2d 'pool': ")
    assert fast.code == 0 and json.loads(fast.out)["ok"] is True
    assert [p["severity"] for p in json.loads(fast.out)["problems"]] == ["warning"]
    quiet = cli("check", path, "--fast", "-q")
    assert (quiet.code, quiet.err) == (0, "")


def test_patterns_are_checked_against_the_net(cli, small):
    done = cli("check", small, "train.variables_to_train=[conv2]", "+train.gradient_multipliers={fc9: 2}")
    assert done.code == 2 and len(done.err.splitlines()) == 2
    assert "train.variables_to_train" in done.err and "train.gradient_multipliers" in done.err


def test_a_good_config(cli, small):
    assert cli("check", small).out == f"{small}: no problems\n"
    assert json.loads(cli("check", small, "--json").out) == {"ok": True, "problems": []}


def test_what_cannot_be_read(cli, tmp_path, small):
    table = {
        (tmp_path / "no.yaml",): "no.yaml: cannot be read: No such file or directory; write a starter config",
        (small, "--plugin", "no_such"): "--plugin: cannot import 'no_such': No module named 'no_such'",
        (small, "foo"): "'foo' is no override; write key.key=value, +key.key=value to add, ~key.key to remove",
        (small, "train.stepz=1"): "did you mean 'steps'",
    }
    for words, sentence in table.items():
        for command in (["check"], ["check", "--fast"], ["resolve"], ["fit"], ["inspect"]):
            done = cli(*command, *words)
            assert done.code == 2 and sentence in done.err, (command, words, done)


def test_resolved_text_reads_back_to_itself(cli, small, tmp_path):
    path = tmp_path / "resolved.yaml"
    path.write_text(cli("resolve", small).out)
    assert cli("resolve", path).out == path.read_text()
    path.write_text(cli("resolve", small, "--origin").out)
    assert "num_outputs: 4" in path.read_text() and "# call at small.yaml:15" in path.read_text()
    assert cli("resolve", path).out == cli("resolve", small).out
    tree = json.loads(cli("resolve", small, "--json", "train.steps=7").out)
    assert (tree["seed"], tree["train"]["steps"]) == (3, 7)
    assert tree["model"]["layers"][0]["conv2d"]["normalizer_fn"]["batch_norm"]["decay"] == 0.8


def test_a_run_resolves_and_explains_as_its_config(cli, run):
    assert cli("resolve", run).out == cli("resolve", run / "resolved.yaml").out
    assert cli("explain", run, "train.steps").out.startswith("train.steps = 24   (config at resolved.yaml:")


def test_explain_tells_the_chain(cli, small):
    assert cli("explain", small, "conv1/BatchNorm.decay").out == (
        "conv1/BatchNorm.decay = 0.8   (scope at small.yaml:13)\n"
        "  default                 0.999\n"
        "  scope at small.yaml:13  0.8\n"
    )
    told = json.loads(cli("explain", small, "train.steps", "train.steps=5", "--json").out)
    assert told == {
        "key": "train.steps",
        "value": 5,
        "origin": "command line",
        "chain": [{"origin": "default", "value": None}, {"origin": "command line", "value": 5}],
    }
    for key, value in {
        "seed": "3",
        "data.batch_size": "16",
        "model.layers.0.conv2d.num_outputs": "4",
        "optimizer.momentum.momentum": "0.9",
        "optimizer.momentum.learning_rate.exponential_decay.decay_steps": "50",
        "losses.0.sparse_softmax_cross_entropy.labels": "label",
        "conv1.padding": "SAME",
        "logits.alias": "[out]",
    }.items():
        assert cli("explain", small, key).out.startswith(f"{key} = {value}   ("), key


def test_explain_shows_a_sum_of_regularizers_whole(cli, small):
    told = cli(
        "explain", small, "conv1.weights_regularizer", "model.arg_scope.0.weights_regularizer={sum: [{l1: 0.1}]}"
    )
    assert told.out.startswith("conv1.weights_regularizer = {sum: {regularizer_list: [{l1: {scale: 0.1}}]}}   (")


def test_explain_tells_a_param_and_where_it_stands(cli, config):
    path = config(
        "params: {n: 3, wide: $(2 * n)}\nmodel: {input: {shape: [4]}, layers: [fully_connected: {num_outputs: $wide}]}"
    )
    assert cli("explain", path, "params.wide", "params.n=5").out.splitlines() == [
        f"params.wide = 10   (config at {path.name}:1)",
        f'  config at {path.name}:1  "$(2 * n)"',
    ]
    assert cli("explain", path, "params.n", "params.n=5").out.startswith("params.n = 5   (command line)")
    told = cli("explain", path, "fully_connected.num_outputs").out.splitlines()[0]
    assert told.endswith(f"(call at {path.name}:2, $wide at {path.name}:1)")


def test_explain_suggests(cli, small):
    unknown = cli("explain", small, "conv1.paddin")
    assert unknown.code == 2 and "explain: no value 'conv1.paddin'; did you mean 'conv1.padding'" in unknown.err
    assert "name a section's key or a layer's scope and argument" in cli("explain", small, "zzzzzzz").err
