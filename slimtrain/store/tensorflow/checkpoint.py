"""A checkpoint of TensorFlow in either format."""

from pathlib import Path

from slimtrain.store.tensorflow.bundle import Bundle, open_bundle
from slimtrain.store.tensorflow.files import index_of, missing, old_files, prefix_of, reading
from slimtrain.store.tensorflow.slicefile import SliceFiles, open_slice_files


def open_checkpoint(path: Path) -> Bundle | SliceFiles:
    """The tensors of a checkpoint by name, to be read by name.

    Args:
        path: its prefix, one of its files, or a folder whose newest is meant.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    prefix = prefix_of(path)
    with reading(index_of(prefix)):
        in_two = index_of(prefix).is_file()
    if in_two:
        return open_bundle(prefix)
    if files := old_files(prefix):
        return open_slice_files(files)
    raise missing(path)
