"""`inspect`: what a net is, by abstract evaluation; with inputs, the values of a pass, by name."""

import json

import numpy as np
import pytest

from slimtrain.jobs.inspect import inspect
from slimtrain.jobs.target import load

NET = """\
data: {source: arrays, train: missing.npz}
model:
  input: {shape: [8, 8, 3]}
  layers:
    - conv2d: {num_outputs: 4, kernel_size: 3, scope: conv1, weights_regularizer: {l2: 0.1}, alias: first,
               outputs_collections: taps}
    - batch_norm: {scope: in_place, updates_collections: null, scale: true}
    - batch_norm: {scope: listed}
    - batch_norm: {scope: custom, updates_collections: mine}
    - max_pool2d: {kernel_size: 2, scope: pool}
    - flatten
    - fully_connected: {num_outputs: 5, scope: fc, activation_fn: null, weights_regularizer: {l2: 0.1},
                        biases_regularizer: {l2: 0.1}}
losses: [{sparse_softmax_cross_entropy: {weight: 2.0}}]
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A config whose data is not there."""
    path = tmp_path_factory.mktemp("inspect") / "net.yaml"
    path.write_text(NET)
    return path


@pytest.fixture(scope="module")
def inputs(net):
    """Inputs for it, with labels, as one file."""
    draw = np.random.default_rng(1)
    path = net.with_name("inputs.npz")
    np.savez(path, image=draw.normal(size=(6, 8, 8, 3)), label=np.array([0, 1, 2, 3, 4, 0]))
    return path


@pytest.fixture(scope="module")
def record(cli, net):
    """What `inspect --json` says of it."""
    done = cli("inspect", net, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_net_by_hand(record, net):
    assert set(record) == {
        *("config", "inputs", "end_points", "variables", "parameters", "update_ops", "regularization_losses", "flops")
    }
    assert (record["config"], record["inputs"]) == (str(net), {"image": [None, 8, 8, 3]})
    points = {p["name"]: p for p in record["end_points"]}
    assert list(points) == ["conv1", "first", "in_place", "listed", "custom", "pool", "Flatten", "fc"]
    conv, dense = 3 * 3 * 3 * 4, 64 * 5
    assert points["conv1"] == {
        "name": "conv1",
        "op": "conv2d",
        "shape": [None, 8, 8, 4],
        "dtype": "float32",
        "parameters": conv + 4,
        "flops": 2 * 64 * conv,
        "activation_bytes": 4 * 8 * 8 * 4,
        "line": "net.yaml:5",
    }
    assert points["first"] == points["conv1"] | {"name": "first"}
    assert points["fc"]["flops"] == 2 * dense and points["fc"]["parameters"] == dense + 5
    assert record["flops"] == 2 * 64 * conv + 2 * dense
    assert record["parameters"] == {
        "trainable": conv + 4 + 4 + 4 + 4 + 4 + dense + 5,
        "total": conv + 4 + 4 + 3 * (4 + 4 + 4) + dense + 5,
    }
    assert (record["update_ops"], record["regularization_losses"]) == (2, 3)
    weights = record["variables"][0]
    assert weights == {
        "name": "conv1/weights",
        "shape": [3, 3, 3, 4],
        "dtype": "float32",
        "trainable": True,
        "collections": weights["collections"],
    }
    assert {"trainable_variables", "model_variables"} <= set(weights["collections"])


@pytest.mark.parametrize("listed, number", [("[]", 0), ("[mine]", 2), ("[update_ops, mine]", 4)])
def test_updates_count_where_the_step_applies_them(net, listed, number):
    assert inspect(load(net, [f"train.update_ops={listed}"])).record()["update_ops"] == number


def test_an_update_that_nothing_applies_is_a_warning(cli, net):
    told = cli("inspect", net).err
    assert "custom" in told and told.count("[warning]") == 1, told


def test_the_table(cli, net):
    lines = cli("inspect", net).out.splitlines()
    assert lines[0].split() == ["end", "point", "op", "shape", "parameters", "flops", "line"]
    assert lines[2].split() == ["conv1", "conv2d", "8x8x4", "112", "13.82k", "net.yaml:5"]
    assert lines[-1] == (
        "parameters 477 (453 trainable)   flops 14.46k an example   update ops 2   regularization losses 3"
    )


def test_collections(cli, net):
    found = json.loads(cli("inspect", net, "--collection", "taps", "--json").out)
    assert [p["name"] for p in found["end_points"]] == ["conv1", "first"] and found["variables"] == []
    found = json.loads(cli("inspect", net, "--collection", "regularization_losses", "--json").out)
    assert [v["name"] for v in found["variables"]] == ["conv1/weights", "fc/weights", "fc/biases"]
    unknown = cli("inspect", net, "--collection", "tap")
    assert (unknown.code, unknown.err) == (2, "--collection: no collection 'tap'; did you mean 'taps'?\n")


def test_a_dump_holds_every_value_by_name(cli, net, inputs, tmp_path, record):
    done = cli("inspect", net, "--inputs", inputs, "--dump", tmp_path / "dump.npz")
    assert done.code == 0, done.err
    dump = dict(np.load(tmp_path / "dump.npz"))
    points = [p["name"] for p in record["end_points"]]
    variables = [v["name"] for v in record["variables"]]
    assert set(dump) == {
        *(f"end_points/{n}" for n in (*points, "__output__")),
        *(f"variables/{n}" for n in variables),
        *("losses/regularization", "losses/sparse_softmax_cross_entropy", "losses/total"),
    }
    np.testing.assert_array_equal(dump["end_points/__output__"], dump["end_points/fc"])
    np.testing.assert_array_equal(dump["end_points/first"], dump["end_points/conv1"])
    weights = [dump[f"variables/{n}"] for n in ("conv1/weights", "fc/weights", "fc/biases")]
    penalty = sum(0.1 * 0.5 * np.sum(w**2) for w in weights)
    assert dump["losses/regularization"] == pytest.approx(penalty, rel=1e-5)
    assert dump["losses/total"] == pytest.approx(
        dump["losses/regularization"] + dump["losses/sparse_softmax_cross_entropy"], rel=1e-6
    )
    assert (dump["variables/listed/moving_mean"] == 0).all()


def test_training_mode_dumps_the_updated_statistics(cli, net, inputs, tmp_path):
    assert cli("inspect", net, "--inputs", inputs, "--train", "--dump", tmp_path / "dump.npz").code == 0
    dump = dict(np.load(tmp_path / "dump.npz"))
    for scope, before in (("in_place", "conv1"), ("listed", "in_place")):
        mean = dump[f"end_points/{before}"].mean((0, 1, 2))
        np.testing.assert_allclose(dump[f"variables/{scope}/moving_mean"], 0.001 * mean, rtol=1e-3, atol=1e-7)
    assert (dump["variables/custom/moving_mean"] == 0).all()


def test_bare_images_have_values_and_no_losses(cli, net, inputs, tmp_path):
    np.save(tmp_path / "images.npy", np.load(inputs)["image"])
    done = cli("inspect", net, "--inputs", tmp_path / "images.npy", "--stats", "--json", "--dump", tmp_path / "d.npz")
    stats, dump = json.loads(done.out)["stats"], dict(np.load(tmp_path / "d.npz"))
    assert {n for n in dump if n.startswith("losses/")} == {"losses/regularization"}
    conv1 = dump["end_points/conv1"]
    assert stats["conv1"]["mean"] == pytest.approx(conv1.mean(), rel=1e-5)
    assert stats["conv1"]["zeros"] == pytest.approx((conv1 == 0).mean()) and stats["conv1"]["min"] == 0
    table = cli("inspect", net, "--inputs", tmp_path / "images.npy", "--stats").out.splitlines()[0].split()
    assert table[-6:] == ["mean", "std", "min", "max", "zeros", "line"]


def test_weights_come_from_a_run_or_a_file(cli, run, small, tmp_path):
    dumps = [tmp_path / f"{n}.npz" for n in range(3)]
    assert cli("export", run, "--format", "npz", "--out", tmp_path / "w.npz").code == 0
    assert cli("inspect", run, "--batch", 30, "--dump", dumps[0]).code == 0
    assert cli("inspect", small, "--weights", tmp_path / "w.npz", "--batch", 30, "--dump", dumps[1]).code == 0
    assert cli("inspect", small, "--batch", 30, "--dump", dumps[2]).code == 0
    trained, given, fresh = (dict(np.load(d)) for d in dumps)
    assert trained["end_points/__output__"].shape == (30, 4)  # more than the evaluation's batch of 9
    assert all((trained[n] == given[n]).all() for n in trained)
    assert (trained["end_points/out"] != fresh["end_points/out"]).any()
    weights = dict(np.load(tmp_path / "w.npz"))
    assert {n: a.tolist() for n, a in weights.items()} == {n: trained[f"variables/{n}"].tolist() for n in weights}


def test_what_does_not_fit(cli, net, run, inputs, tmp_path):
    np.savez(tmp_path / "shape.npz", image=np.zeros((2, 8, 8, 1)))
    np.savez(tmp_path / "names.npz", images=np.zeros((2, 8, 8, 3)), label=[0, 1])
    (tmp_path / "torn.npz").write_bytes(inputs.read_bytes()[:-100])
    table = {
        ("--inputs", tmp_path / "shape.npz"): (
            *(4, "'image' is ['batch', 8, 8, 1], the network takes ['batch', 8, 8, 3]"),
        ),
        ("--inputs", tmp_path / "names.npz"): (4, "has no field 'image'; its fields are ['images', 'label']"),
        ("--inputs", tmp_path / "torn.npz"): (4, "torn.npz: is damaged: File is not a zip file; write it again with"),
        ("--inputs", tmp_path / "none.npy"): (4, "none.npy: cannot be read: No such file or directory"),
        ("--batch", "2"): (4, "missing.npz: cannot be read: No such file or directory"),
        ("--inputs", inputs, "--batch", "2"): (2, "--inputs and --batch both give the inputs; give one."),
        ("--stats",): (2, "--stats shows values, which need --inputs FILE or --batch N."),
        ("--dump", tmp_path / "d.npz"): (2, "--dump: there is nothing to dump without inputs; add --inputs FILE or"),
        ("--inputs", inputs, "--dump", tmp_path / "d.txt"): (2, "d.txt: is not a name for a file of weights"),
        ("--inputs", inputs, "--dump", tmp_path / "no" / "d.npz"): (74, "no/d.npz: cannot be written: No such file"),
        ("--weights", run): (5, "has no 'in_place/gamma' (and 3 more in in_place/)"),
        ("model.input.shape=[8, 8]",): (2, "net.yaml:5:7: conv2d 'conv1': "),
        ("~model.input", "~data"): (2, "the input's shape is not known; add 'input: {shape: [height, width, channels]"),
    }
    for words, (code, sentence) in table.items():
        done = cli("inspect", net, *words)
        assert done.code == code and sentence in done.err and done.out == "", (words, done)


def test_variables_are_chosen_by_name_scope_suffix_and_expression(cli, net):
    table = {
        ("--include", "weights"): ["conv1/weights", "fc/weights"],
        ("--include", "fc"): ["fc/weights", "fc/biases"],
        ("--include", "^(conv1|fc)/b"): ["conv1/biases", "fc/biases"],
        ("--exclude", "moving_.*", "--exclude", "beta", "--exclude", "fc/"): [
            "conv1/weights",
            "conv1/biases",
            "in_place/gamma",
        ],
    }
    for words, names in table.items():
        done = cli("inspect", net, "--json", *words)
        assert [v["name"] for v in json.loads(done.out)["variables"]] == names
    refused = cli("inspect", net, "--include", "conv")
    assert refused.code == 2 and "--include: 'conv' matches no variable; did you mean 'conv1'" in refused.err


def test_frozen_variables_are_shown_as_such(cli, net):
    words = ["inspect", net, "+train.freeze=[listed, fc/weights]"]
    told = json.loads(cli(*words, "--json").out)
    assert told["update_ops"] == 0
    frozen = json.loads(cli(*words, "--collection", "frozen", "--json").out)["variables"]
    names = ["listed/beta", "listed/moving_mean", "listed/moving_variance", "fc/weights"]
    assert [(v["name"], v["trainable"]) for v in frozen] == [(n, False) for n in names]
    line = next(line for line in cli(*words).out.splitlines() if line.startswith("fc/weights"))
    assert line.split() == ["fc/weights", "64x5", "frozen"]
