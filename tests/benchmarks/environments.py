"""The peers' interpreters: a virtual environment each, made once."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

REQUIREMENTS = {
    "torch": ("torch==2.13.0", "numpy"),
    "tf-slim": ("tensorflow-cpu==2.12.1", "tf-slim==1.1.0", "numpy<1.24"),
    "keras": ("keras>=3", "jax", "numpy"),
    "flax": ("flax", "optax", "jax", "numpy"),
}


def interpreter(peer: str, given: Mapping[str, Path], folder: Path, python: str) -> Path:
    """The interpreter of a peer's environment.

    Args:
        peer: its name.
        given: environments that exist already, by peer.
        folder: where the others are, or are made.
        python: interpreter that makes them.

    Raises:
        SystemExit: it can't be made.
    """
    place = given.get(peer, folder / peer)
    found = place / "bin" / "python"
    if peer in given:
        if not found.exists():
            raise SystemExit(f"--env {peer}={place}: no environment there; name its folder, or leave it out")
        return found
    done = place / "complete"
    if not done.exists():
        _make(peer, place, python)
        done.touch()
    return found


def _make(peer: str, place: Path, python: str) -> None:
    print(f"{peer}: making an environment in {place}", flush=True)
    try:
        subprocess.run([python, "-m", "venv", "--clear", str(place)], check=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *REQUIREMENTS[peer]], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        hint = "TensorFlow 2.12 needs Python 3.11: --python PYTHON3.11" if peer == "tf-slim" else "see pip's message"
        raise SystemExit(f"{peer}: no environment ({error}); {hint}, or name one: --env {peer}=FOLDER") from None
