"""Files of arrays by name, `.npz` and `.safetensors`; never a pickle."""

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from os.path import isfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from slimtrain.errors import CheckpointError, ConfigError, Problem, WriteError, one_of
from slimtrain.store.files import replacing
from slimtrain.wire.npz import NUMBERS, read_archive
from slimtrain.wire.regular import opened

Arrays = dict[str, np.ndarray]
_METADATA = "__metadata__"
_HEADER_MOST = 10**8  # bytes, as the library has it
_FACTS = "slimtrain"


def read_weights(path: Path) -> Arrays:
    """The arrays in a `.npz` or `.safetensors` file, by name.

    Raises:
        CheckpointError: It is neither, is missing, or cannot be read as what it says it is.
    """
    read = _READERS.get(path.suffix)
    if read is None:
        wrong = _wrong_suffix(path)
        hint = f"{wrong.hint}; 'slimtrain import-tf' makes one of a TensorFlow checkpoint"
        raise CheckpointError(replace(wrong, hint=hint))
    try:
        if not path.is_file():
            raise CheckpointError(Problem(str(path), "is not a file" if path.exists() else "there is no such file"))
        return read(path)
    except CheckpointError:
        raise
    # Damaged bytes come out of the parsers as nearly any exception, and as warnings where those are errors.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(Problem(str(path), f"cannot be read as {path.suffix}: {reason}")) from error


def read_facts(path: Path) -> dict[str, Any]:
    """What a `.safetensors` file carries besides its arrays; nothing in a file that was not made by slimtrain.

    Raises:
        CheckpointError: It cannot be read.
    """
    if path.suffix != ".safetensors" or not isfile(path):
        return {}
    try:
        found = json.loads(_header(path).get(_METADATA, {}).get(_FACTS, "{}"))
    # As in read_weights.
    except Exception as error:
        raise CheckpointError(Problem(str(path), f"cannot be read as {path.suffix}: {error}")) from error
    return found if isinstance(found, dict) else {}


def write_weights(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None) -> None:
    """Writes the arrays into a file whose suffix says how, whole or not at all.

    Args:
        path: Ends in `.npz` (bfloat16 is widened to float32, which numpy can hold) or `.safetensors`.
        arrays: By name; a name may hold any character.
        facts: What a `.safetensors` file is to carry besides, as JSON can hold it; an `.npz` has no place for it.

    Raises:
        ConfigError: The suffix is another one.
        WriteError: The file cannot be written, or its format has no such dtype.
    """
    check_suffix(path)
    _WRITERS[path.suffix](path, arrays, facts or {})


def check_suffix(path: Path) -> None:
    """Raises ConfigError for a file whose suffix is not one that can be written."""
    if path.suffix not in _WRITERS:
        raise ConfigError(_wrong_suffix(path))


def pack(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None) -> bytes:
    """The arrays as the bytes of a `.safetensors` file; `path` is what an error names.

    Raises:
        WriteError: The format has no such dtype.
    """
    try:
        # asarray, since ascontiguousarray would give an array without dimensions one.
        plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        return to_bytes(plain, {_FACTS: json.dumps(dict(facts))} if facts else None)
    except SafetensorError as error:
        raise WriteError(Problem(str(path), f"cannot hold these arrays: {error}")) from error


def _wrong_suffix(path: Path) -> Problem:
    hint = f"give one that ends in {one_of(_READERS)}"
    return Problem(str(path), "is not a name for a file of weights", hint)


def _read_npz(path: Path) -> Arrays:
    with opened(path) as file:
        # Texts may lie beside weights: whoever wants numbers looks.
        return read_archive(file, path.stat().st_size, f"{NUMBERS}cSU")


def _write_npz(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    del facts
    # Not np.savez, whose keyword `file` a variable of that name would collide with.
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            # numpy knows bfloat16 and its kin only as void and would read them back as raw bytes.
            known = array.astype(np.float32) if array.dtype.kind == "V" else array
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, known, allow_pickle=False)


def _read_safetensors(path: Path) -> Arrays:
    _header(path)
    return dict(load_file(path))


def _header(path: Path) -> dict[str, Any]:
    """What a `.safetensors` file says of its arrays; raises nearly anything where it says that of another file.

    The library maps the file before it looks: one with a hole may be longer than all memory.
    """
    with opened(path) as file:
        size, length = os.fstat(file.fileno()).st_size, int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, _HEADER_MOST):
            raise ValueError(f"its header has {length} bytes, the file has {size}")
        header: dict[str, Any] = json.loads(file.read(length))
    most = max((entry["data_offsets"][1] for name, entry in header.items() if name != _METADATA), default=0)
    if most != size - 8 - length:
        raise ValueError(f"its header tells of {most} bytes, there are {size - 8 - length}")
    return header


def _write_safetensors(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    with replacing(path) as file:
        file.write(pack(path, arrays, facts))


_READERS: dict[str, Callable[[Path], Arrays]] = {".npz": _read_npz, ".safetensors": _read_safetensors}
_WRITERS: dict[str, Callable[[Path, Mapping[str, np.ndarray], Mapping[str, Any]], None]] = {
    ".npz": _write_npz,
    ".safetensors": _write_safetensors,
}
