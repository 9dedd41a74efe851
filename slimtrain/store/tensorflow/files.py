"""Which files a checkpoint of TensorFlow is: by its prefix, one of its files, or a folder whose newest is meant."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import isdir
from pathlib import Path

from slimtrain.errors import CheckpointError, Problem
from slimtrain.wire.regular import small

# An old checkpoint of several shards is called by the pattern of their names.
_PART = re.compile(r"\.(?:index|meta|data-\d{5}-of-\d{5})$|-(?:\?{5}|\d{5})-of-\d{5}$")
_NEWEST = re.compile(r'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\]|\\.)*)"', re.M)
_LISTED_MOST = 2**20
_HINT = "give its prefix (model.ckpt-100), its .index file, or the folder that holds a 'checkpoint' file"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong inside into a CheckpointError that names `path`, which is a file or is not there."""
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is no regular file")
        yield
    except CheckpointError as error:
        raise CheckpointError(*(Problem(p.where or str(path), p.what, p.hint) for p in error.problems)) from error
    except OSError as error:
        raise CheckpointError(Problem(str(path), f"cannot be read: {error.strerror or error}", _HINT)) from error
    except (ValueError, OverflowError) as error:
        raise CheckpointError(Problem(str(path), f"cannot be read as a checkpoint of TensorFlow: {error}")) from error


def prefix_of(path: Path) -> Path:
    """What the names of a checkpoint's files begin with; raises CheckpointError for a folder that names none."""
    if isdir(path):
        return _newest(path)
    return path.with_name(_PART.sub("", path.name))


def _newest(folder: Path) -> Path:
    """The checkpoint that a folder's `checkpoint` file names; the only one where there is no such file."""
    listed = folder / "checkpoint"
    if not listed.is_file():
        found = [prefix_of(p) for p in folder.glob("*.index")]
        if len(found) == 1:
            return found[0]
        what = f"holds {len(found)} checkpoints of TensorFlow" if found else "holds no checkpoint of TensorFlow"
        raise CheckpointError(Problem(str(folder), f"{what} and no 'checkpoint' file", _HINT))
    with reading(listed):
        named = _NEWEST.search(small(listed, _LISTED_MOST).decode())
        if named is None:
            raise ValueError("it has no model_checkpoint_path")
        # Bytes that are not ASCII stand in it as octal escapes.
        text = named[1].encode("latin-1", "backslashreplace").decode("unicode_escape")
        path = folder / text.encode("latin-1").decode()
        # A folder that was moved still names the old place.
        path = path if path.parent.is_dir() else folder / path.name
        if path.is_dir():
            raise ValueError("it names a folder")
        return prefix_of(path)


def index_of(prefix: Path) -> Path:
    """The index of a checkpoint in the format of now (V2)."""
    return prefix.with_name(f"{prefix.name}.index")


def shard_of(prefix: Path, number: int, count: int) -> Path:
    """One of the files that hold the values in that format."""
    return prefix.with_name(f"{prefix.name}.data-{number:05d}-of-{count:05d}")


def old_files(prefix: Path) -> list[Path]:
    """The file, or the files of all shards, of a checkpoint in the old format (V1); none where there are none."""
    if prefix.is_file():
        return [prefix]
    shards = re.compile(re.escape(prefix.name) + r"-\d{5}-of-(\d{5})")
    there = prefix.parent.iterdir() if prefix.parent.is_dir() else ()
    found = sorted(p for p in there if shards.fullmatch(p.name))
    counts = {int(found[0].name[-5:]), len(found)} if found else set()
    if len(counts) > 1:
        raise CheckpointError(Problem(str(prefix), f"{len(found)} of its {max(counts)} shards are there"))
    return found


def missing(prefix: Path) -> CheckpointError:
    """What to say where there is no checkpoint."""
    return CheckpointError(Problem(str(prefix), "there is no such checkpoint of TensorFlow", _HINT))
