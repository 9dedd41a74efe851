"""What weights were trained on travels with them, and another config does not take them unseen."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

FACTS = {"image": [6, 6, 1], "preprocess": [], "classes": 4, "labels": None, "labels_offset": None}
RECORDS = Path(__file__).parents[1] / "data" / "tf"
PHOTOS = f"""\
data: {{source: tfrecord, path: {RECORDS}, batch_size: 2, preprocess: [{{random_resized_crop: 8}}],
       eval_preprocess: [{{resize: 8}}]}}
model: {{layers: [flatten, {{fully_connected: {{num_outputs: 5, activation_fn: null, scope: logits}}}}]}}
losses: [sparse_softmax_cross_entropy]
optimizer: {{sgd: 0.01}}
train: {{steps: 1}}
"""
STANDARDIZE = "+data.preprocess=[{standardize: {mean: [1.0], std: [2.0]}}]"
OURS = 'preprocess: [{"standardize": {"mean": [1.0], "std": [2.0]}}]'
TOLD = f"was trained on preprocess: [], the config has {OURS}"


@pytest.fixture(scope="module")
def weights(cli, run, tmp_path_factory):
    """The finished run's variables in a file that carries what they were trained on."""
    out = tmp_path_factory.mktemp("weights") / "w.safetensors"
    assert cli("export", run, "--format", "safetensors", "--out", out).code == 0
    return out


def test_a_run_says_what_it_was_trained_on(run):
    assert json.loads((run / "data.json").read_text()) == FACTS


def test_preprocessing_as_the_config_would_name_it(cli, small, tmp_path):
    folder = shutil.copytree(small.parent, tmp_path / "bytes")
    for split in ("train", "test"):
        with np.load(folder / f"{split}.npz") as data:
            fields = {"image": (data["image"] * 9).astype(np.uint8), "label": data["label"]}
        np.savez(folder / f"{split}.npz", **fields)
    found = []
    for name, words in (("a", ()), ("b", ("+data.preprocess=[rescale]",))):
        assert cli("fit", folder / "small.yaml", *words, "train.steps=1", "--run-dir", tmp_path / name).code == 0
        found.append(json.loads((tmp_path / name / "data.json").read_text())["preprocess"])
    assert found[0] == found[1] == [{"rescale": {"scale": 1 / 255, "offset": 0.0}}]


def test_names_of_classes_and_the_labels_offset_travel_too(cli, tmp_path):
    (tmp_path / "photos.yaml").write_text(PHOTOS)
    assert cli("fit", tmp_path / "photos.yaml", "--run-dir", tmp_path / "run").code == 0
    told = json.loads((tmp_path / "run" / "data.json").read_text())
    names = [line.split(":")[1] for line in (RECORDS / "labels.txt").read_text().splitlines()]
    assert (told["labels"], told["labels_offset"]) == (names, 0)
    assert [next(iter(step)) for step in told["preprocess"]] == ["resize"]


def test_eval_refuses_other_preprocessing(cli, run, weights, small, tmp_path):
    last = run / "checkpoints/step_00000024"
    for source in (weights, run, last):
        assert cli("eval", small, "--weights", source).code == 0
        done = cli("eval", small, STANDARDIZE, "--weights", source)
        hint = "make them equal, or take weights that were trained so"
        assert (done.code, done.err) == (5, f"{source}: {TOLD}; {hint}\n")
    assert cli("eval", small, "--weights", weights, "--out", tmp_path / "again.safetensors").code == 0
    assert cli("eval", small, STANDARDIZE, "--weights", tmp_path / "again.safetensors").code == 5


def test_a_run_evaluated_with_overrides_is_not_checked(cli, run):
    assert cli("eval", run, STANDARDIZE).code == 0


def test_eval_refuses_other_images_and_classes(cli, weights, small, tmp_path):
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "train.npz", image=draw.normal(size=(16, 8, 8, 1)), label=np.arange(16) % 5)
    shutil.copy(tmp_path / "train.npz", tmp_path / "test.npz")
    shutil.copy(small, tmp_path / "small.yaml")
    wide = "model.layers.3.fully_connected.num_outputs=5"
    done = cli("eval", tmp_path / "small.yaml", wide, "--weights", weights)
    assert done.code == 5 and len(done.err.splitlines()) == 2
    assert "was trained on images of shape [6, 6, 1], the config has images of shape [8, 8, 1]" in done.err
    assert "was trained on 4 classes, the config has 5 classes" in done.err
    words = ("--init-from", weights, "--exclude", "logits/", "train.steps=1", "--run-dir", tmp_path / "run")
    done = cli("fit", tmp_path / "small.yaml", wide, *words)
    assert done.code == 0 and "was trained on 4 classes, the config has 5 classes" in done.err
    assert done.err.count("trained so   [warning]") == 2


def test_files_that_carry_nothing(cli, run, weights, small, tmp_path):
    np.savez(tmp_path / "w.npz", **load_file(weights))
    assert cli("eval", small, STANDARDIZE, "--weights", tmp_path / "w.npz").code == 0
    old = shutil.copytree(run, tmp_path / "old")
    (old / "data.json").unlink()
    assert cli("eval", small, STANDARDIZE, "--weights", old).code == 0
    for text in ("{", "[]"):
        (old / "data.json").write_text(text)
        done = cli("eval", small, "--weights", old)
        assert done.code == 5 and done.err.startswith(f"{old / 'data.json'}: ")
