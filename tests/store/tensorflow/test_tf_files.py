"""Every way to say which checkpoint is meant."""

import os
import shutil
from pathlib import Path

import pytest

from slimtrain.errors import CheckpointError
from slimtrain.store.tensorflow.checkpoint import open_checkpoint

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize(
    "name",
    [
        "momentum",
        "momentum/model.ckpt-3",
        "momentum/model.ckpt-3.index",
        "momentum/model.ckpt-3.meta",
        "momentum/model.ckpt-3.data-00000-of-00001",
        "momentum_v1",
        "momentum_v1/model.ckpt-3",
        "sharded_v1",
        "sharded_v1/model.ckpt-3",
        "sharded_v1/model.ckpt-3-00001-of-00002",
    ],
)
def test_ways_to_name_one(name):
    assert len(open_checkpoint(FILES / name).tensors) == (4 if "sharded" in name else 13)


@pytest.mark.parametrize(
    "listed",
    ['model_checkpoint_path: "/gone/model.ckpt-3"\n', 'model_checkpoint_path: "model\\056ckpt-3"', None],
)
def test_folders(tmp_path, listed):
    folder = shutil.copytree(FILES / "momentum", tmp_path / "folder")
    (folder / "checkpoint").unlink()
    if listed:
        (folder / "checkpoint").write_text(listed)
    assert len(open_checkpoint(folder).tensors) == 13


def test_names_that_are_not_ascii(tmp_path):
    for part in (FILES / "momentum").glob("model.ckpt-3.*"):
        shutil.copy(part, tmp_path / part.name.replace("model", "modèle"))
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "mod\\303\\250le.ckpt-3"\n')
    assert len(open_checkpoint(tmp_path).tensors) == 13


def test_what_is_none(tmp_path):
    def refused(path, sentence):
        with pytest.raises(CheckpointError, match=sentence) as caught:
            open_checkpoint(path)
        assert str(caught.value).startswith(str(path))

    refused(tmp_path, "holds no checkpoint of TensorFlow and no 'checkpoint' file; give its prefix")
    refused(tmp_path / "model.ckpt", "there is no such checkpoint of TensorFlow; give its prefix")
    refused(tmp_path / "no" / "model.ckpt", "there is no such checkpoint")
    (tmp_path / "a.index").touch()
    (tmp_path / "b.index").touch()
    refused(tmp_path, "holds 2 checkpoints of TensorFlow and no 'checkpoint' file")
    (tmp_path / "vgg.tar.gz").write_bytes(b"\x1f\x8b" * 50)
    refused(tmp_path / "vgg.tar.gz", "does not end as a checkpoint of TensorFlow does; is it whole")
    for text in ("", "model_checkpoint_path: 3", 'model_checkpoint_path: "\\N"'):
        (tmp_path / "checkpoint").write_text(text)
        with pytest.raises(CheckpointError, match="checkpoint: cannot be read as a checkpoint of TensorFlow: "):
            open_checkpoint(tmp_path)


def test_a_shard_that_is_not_there(tmp_path):
    shutil.copy(FILES / "sharded_v1/model.ckpt-3-00000-of-00002", tmp_path)
    with pytest.raises(CheckpointError, match="model.ckpt-3: 1 of its 2 shards are there"):
        open_checkpoint(tmp_path / "model.ckpt-3")
    folder = shutil.copytree(FILES / "sharded", tmp_path / "sharded")
    (folder / "model.ckpt-3.data-00001-of-00002").unlink()
    found = open_checkpoint(folder)
    with pytest.raises(CheckpointError, match="data-00001-of-00002: cannot be read: No such file"):
        dict(found.read(found.tensors))


@pytest.mark.parametrize("named", [".", "..", "a" * 300, "a" * 253])
def test_a_list_that_names_no_checkpoint_is_refused(tmp_path, named):
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{named}"\n')
    with pytest.raises(CheckpointError, match="it names a folder|File name too long"):
        open_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="File name too long"):
        open_checkpoint(tmp_path / ("a" * 300))


def test_a_pipe_in_a_shard_s_place_is_refused_and_not_waited_for(tmp_path):
    shutil.copytree(FILES / "momentum", tmp_path, dirs_exist_ok=True)
    (shard,) = tmp_path.glob("*.data-*")
    shard.unlink()
    os.mkfifo(shard)
    found = open_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="it is no regular file"):
        dict(found.read([name for name, tensor in found.tensors.items() if tensor.dtype]))
