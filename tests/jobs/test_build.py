"""From a document to what runs: the input's shape, and data that the net cannot take, refused in time."""

import gzip
import struct

import numpy as np
import pytest

from slimtrain.errors import ConfigError
from slimtrain.jobs.build import feed, make_task, network, open_data
from slimtrain.jobs.target import load


def refused(cli, small, tmp_path, *words):
    """The code and the words of a `fit` that does not start."""
    done = cli("fit", small, "--run-dir", tmp_path / "run", *words)
    assert done.out == "" and not (tmp_path / "run").exists(), done
    return done.code, done.err


@pytest.mark.parametrize(
    "labels, words, sentence",
    [
        ([0, 1, 2, 9], [], "data: labels go up to 9, but the network has 4 outputs; give its last layer num_outputs"),
        ([0, -1, 2, 3], [], "data: 'label' holds the label -1; classes are numbered from 0; map the labels to 0, 1, 2"),
        ([0, 1, 2, 3], ["model.layers.3.fully_connected.num_outputs=3"], "labels go up to 3, but the network has 3"),
        ([0, 1, 2, 9], ["losses=[{softmax_cross_entropy: {logits: out}}]"], "labels go up to 9, but the network has 4"),
        ([0, 1, 2, 9], ["losses=[{sparse_softmax_cross_entropy: {labels: kind}}]"], "has no field ['kind']"),
    ],
)
def test_labels_that_the_net_has_no_output_for(cli, small, tmp_path, labels, words, sentence):
    np.savez(tmp_path / "train.npz", image=np.zeros((16, 6, 6, 1), "f"), label=labels * 4)
    code, err = refused(cli, small, tmp_path, f"data.train={tmp_path}/train.npz", *words)
    assert code == 4 and sentence in err and len(err.splitlines()) == 1


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda data: None, "has no train-images-idx3-ubyte; 'path' should be the folder that holds train-images-idx3"),
        (lambda data: data[:-100], "is truncated: its header declares 15680 bytes, too many for its size; download"),
        (lambda data: data[:6] + b"\xff\xff" + data[8:], "is truncated: its header declares "),
        (lambda data: b"\x89PNG" + data, "starts with the bytes '89 50 4e 47' instead of '00 00 08 03' (IDX, unsigned"),
        (lambda data: gzip.compress(data)[:-20], "is damaged: Compressed file ended before the end-of-stream marker"),
        (lambda data: data + b"more", "has extra bytes: its header declares 15680 bytes of data"),
    ],
)
def test_broken_idx_files(cli, small, tmp_path, change, sentence):
    for split in ("train", "t10k"):
        (tmp_path / f"{split}-images-idx3-ubyte").write_bytes(idx(np.zeros((20, 28, 28), np.uint8)))
        (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.arange(20, dtype=np.uint8) % 10))
    images = tmp_path / "train-images-idx3-ubyte"
    changed = change(images.read_bytes())
    images.unlink() if changed is None else images.write_bytes(changed)
    code, err = refused(cli, small, tmp_path, f"data={{source: mnist, path: {tmp_path}, batch_size: 4}}")
    assert code == 4 and sentence in err and len(err.splitlines()) == 1, err


def test_other_data_that_is_not_right(cli, small, tmp_path):
    table = {
        "data.train=none.npz": (4, "none.npz: cannot be read: No such file or directory"),
        "data={source: mnist, path: nowhere}": (4, "nowhere: is no folder; 'path' should be the folder that holds"),
        "data.batch_size=97": (4, "a batch of 97 is more than the 96 examples there are; set data.batch_size to 96"),
        "~data.train": (4, "data: there is no 'train' split; the data has: test"),
        "+model.input={shape: [6, 6, 3]}": (4, "model.input.shape is [6, 6, 3], but the data's images are [6, 6, 1]"),
        "~data": (2, "data: no data to train on; add 'data: {source: ...}'"),
        "losses=[{sparse_softmax_cross_entropy: {logits: oot}}]": (2, "no end point 'oot'; did you mean 'out'"),
    }
    for words, (code, sentence) in table.items():
        found, err = refused(cli, small, tmp_path, words)
        assert (found, sentence in err) == (code, True), (words, err)


def test_the_inputs_shape_comes_from_config_source_or_data(small):
    assert network(load(small)).shape == (6, 6, 1)
    digits = load(small, ["data={source: digits}"])
    assert network(digits).shape == (8, 8, 1)
    assert network(load(small, ["~data", "+model.input={shape: [5, 7, 2]}"])).shape == (5, 7, 2)
    with pytest.raises(ConfigError, match="the input's shape is not known"):
        network(load(small, ["~data"]))


def test_multipliers_of_one_variable_multiply(small):
    words = ["+train.gradient_multipliers={conv1: 2.0, weights: 0.5}", "train.variables_to_train=[weights]"]
    document = load(small, words)
    task = make_task(document, network(document))
    assert task.trained == {"conv1/weights", "logits/weights"}
    assert task.multipliers == {"conv1/weights": 1.0, "logits/weights": 0.5}


def test_batches_hold_only_what_is_read(small):
    document = load(small)
    data = open_data(document)
    net = network(document, data)
    batches = feed(document, data, make_task(document, net).objective, net)
    split = batches.split("train")
    assert batches.epoch_steps == 6 and set(split.fields) == {"image", "label"}
    first = batches.examples(split, 50)
    np.testing.assert_array_equal(first["image"], split.fields["image"][:50])
    one, again, other = (batches.train_batch(split, n)["image"] for n in (3, 3, 4))
    assert (one == again).all() and (one != other).any()
    assert sum(float(b["mask"].sum()) for b in (batches.eval_batch(batches.split("test"), n) for n in range(5))) == 41
    assert batches.eval_count(batches.split("test")) == 5
