"""What makes a folder a whole checkpoint: a manifest of sizes and hashes, and a file that fits it."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from slimtrain.errors import CheckpointError, Problem
from slimtrain.wire.regular import opened, small

FORMAT = 1
STATE, MANIFEST = "state.safetensors", "manifest.json"
MOST_BYTES = 2**28
"""Of a manifest that is read: a hundred thousand arrays take a tenth of them."""
Manifest = dict[str, Any]
_NAMED = re.compile(r"step_([0-9]{8,18})(\.(tmp|old|try)-[0-9]+)?")
_KINDS = {"format": int, "step": int, "facts": dict, "arrays": dict, "files": dict, "sha256": str}


def manifest_text(step: int, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray], state: bytes) -> bytes:
    """The manifest of a checkpoint.

    Args:
        step: How many steps are done.
        facts: As JSON can hold it; nan and inf stay numbers, so that facts come back as they were given.
        arrays: All of the state, by name.
        state: The bytes of the file that holds the arrays.
    """
    files = {STATE: {"size": len(state), "sha256": hashlib.sha256(state).hexdigest()}}
    body = {"format": FORMAT, "step": step, "facts": dict(facts), "arrays": described(arrays), "files": files}
    return sealed(body)


def described(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Shape and dtype of each array."""
    return {name: {"shape": list(a.shape), "dtype": a.dtype.name} for name, a in arrays.items()}


def sealed(body: Manifest) -> bytes:
    """The one text for this body, with its hash at the end: a byte that is changed anywhere shows."""
    text = json.dumps(body, indent=1, default=np.generic.item)
    seal = {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    return (json.dumps(json.loads(text) | seal, indent=1) + "\n").encode()


def is_whole(body: Manifest, text: bytes) -> bool:
    """Whether a body has all its parts, with one file, and is what was sealed as this text."""
    if {k: type(v) for k, v in body.items()} != _KINDS or len(body["files"]) != 1:
        return False
    (file,) = body["files"].values()
    if not isinstance(file, dict) or set(file) != {"size", "sha256"}:
        return False
    return sealed({k: v for k, v in body.items() if k != "sha256"}) == text


def verify(path: Path) -> Manifest:
    """The manifest of a checkpoint of which every byte is as it was written.

    Raises:
        CheckpointError: It is missing, incomplete, damaged, foreign, or of a newer slimtrain.
    """
    manifest = read_manifest(path)
    wanted = manifest["files"][STATE]
    try:
        with opened(path / STATE) as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.file_digest(file, "sha256").hexdigest() if size == wanted["size"] else ""
    except OSError as error:
        refuse(path, f"{STATE} cannot be read: {error.strerror}")
    if size != wanted["size"]:
        refuse(path, f"{STATE} has {size} bytes and should have {wanted['size']}")
    if digest != wanted["sha256"]:
        refuse(path, f"{STATE} is damaged: its SHA-256 is not the one in {MANIFEST}")
    return manifest


def read_manifest(path: Path) -> Manifest:
    """The manifest of a checkpoint, if it is as it was written; the other files may be anything.

    Raises:
        CheckpointError: It is missing, damaged, foreign, or of a newer slimtrain.
    """
    if not path.is_dir():
        refuse(path, "there is no such checkpoint")
    try:
        text = small(path / MANIFEST, MOST_BYTES)
        manifest = json.loads(text)
    except OSError as error:
        refuse(path, f"{MANIFEST} cannot be read: {error.strerror}", "is it a checkpoint of slimtrain?")
    except (ValueError, RecursionError):
        refuse(path, f"{MANIFEST} is damaged: it is not JSON")
    _check_format(path, manifest)
    if not is_whole(manifest, text) or set(manifest["files"]) != {STATE}:
        refuse(path, f"{MANIFEST} is damaged: its SHA-256 is not the one at its end")
    named = _NAMED.fullmatch(path.name)
    if named and int(named[1]) != manifest["step"]:
        refuse(path, f"is the checkpoint of step {manifest['step']}, under another one's name")
    return dict(manifest)


def _check_format(path: Path, manifest: Any) -> None:
    number = manifest.get("format") if isinstance(manifest, dict) else None
    if type(number) is not int or number < 1:
        refuse(path, f"{MANIFEST} is not one of slimtrain")
    if number > FORMAT:
        versions = f"format {number}, this one reads up to {FORMAT}"
        refuse(path, f"was written by a newer slimtrain ({versions})", "upgrade slimtrain")


def refuse(path: Path, what: str, hint: str = "") -> NoReturn:
    """Raises a CheckpointError about `path`."""
    raise CheckpointError(Problem(str(path), what, hint))
