"""Builds the native part into the user's cache, checks it there, and hands it to JAX.

A library's folder is named by a hash of all that goes into it: sources, compiler, flags, jaxlib, oneDNN, the CPU.
It is made beside and renamed when it is whole and has passed the check, so that what has the name is good.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from slimtrain.cache import CacheError, private
from slimtrain.machine import cores, identity

SOURCE = Path(__file__).parent / "source"
FLAGS = ("-O3", "-std=c++17", "-march=native", "-fopenmp", "-fPIC", "-shared")
LIBRARY = "slimtrain.so"
TARGETS = (
    "all_finite",
    "bernoulli",
    "kept_unless",
    "sgd",
    "momentum",
    "adam",
    "adamw",
    "adagrad",
    "rmsprop",
    "direct_forward",
    "direct_input_gradient",
    "onednn_forward",
    "onednn_ended",
    "onednn_input_gradient",
    "onednn_weights_gradient",
    "products_weights_gradient",
    "winograd_forward",
    "winograd_ended",
    "winograd_input_gradient",
    "winograd_weights_gradient",
    "channel_powers",
    "channel_products",
    "max_pool",
    "max_pool_gradient",
    "response",
    "response_gradient",
)
"""What the library defines, each `slimtrain_<name>`."""
TIMEOUT = 300
"""Seconds that the compiler, or the check, may take."""


class Unavailable(Exception):
    """There is no native part; the text says why and what to do."""


@dataclass(frozen=True)
class Recipe:
    """All that the library is made from."""

    compiler: str
    headers: tuple[Path, ...]
    onednn: Path
    key: str


def recipe() -> Recipe:
    """What the library is made from on this machine; raises Unavailable where something is missing."""
    if not sys.platform.startswith("linux"):
        raise Unavailable(f"the native part is for Linux, this is {sys.platform}")
    onednn = _file_of("onednn-cpu-gomp", "libdnnl.so.3")
    header = _file_of("onednn-devel-cpu-gomp", "dnnl.hpp")
    compiler = _compiler()
    jaxlib = _header_folder()
    facts = [
        _told([compiler, "--version"]),
        " ".join(FLAGS),
        *(f"{name} {version(name)}" for name in ("jaxlib", "onednn-cpu-gomp", "onednn-devel-cpu-gomp")),
        str(onednn),
        identity(),
        *(f"{path.name}\n{path.read_text()}" for path in sorted(SOURCE.iterdir())),
    ]
    key = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:24]
    return Recipe(compiler, (jaxlib, header.parent), onednn, key)


def place(recipe: Recipe) -> Path:
    """Where the library of a recipe is, or will be."""
    try:
        return private("native") / recipe.key / LIBRARY
    except CacheError as error:
        raise Unavailable(str(error)) from None


def library(building: Callable[[], None]) -> Path:
    """The library, built and checked if it was not yet, after a call of `building`.

    Raises:
        Unavailable: with the reason, where it can't be.
    """
    made = recipe()
    path = place(made)
    if not path.exists():
        building()
        with tempfile.TemporaryDirectory(dir=path.parents[1], prefix="building-") as beside:
            folder = Path(beside) / made.key
            folder.mkdir(mode=0o700)
            _compile(made, folder / LIBRARY)
            _check(folder / LIBRARY)
            _publish(folder, path.parent)
    return path


def register(library: Path) -> int:
    """Tells JAX the library's targets, for CPUs; gives the number of floats in its vectors."""
    import jax

    try:
        loaded = ctypes.cdll.LoadLibrary(str(library))
    except OSError as error:
        raise Unavailable(f"{library} can't be loaded: {error}; delete its folder to have it built again") from None
    for name in TARGETS:
        target = f"slimtrain_{name}"
        capsule = jax.ffi.pycapsule(getattr(loaded, target))  # type: ignore[no-untyped-call]
        jax.ffi.register_ffi_target(target, capsule, platform="cpu")
    return int(loaded.slimtrain_lanes())


def _compiler() -> str:
    asked = os.environ.get("CXX")
    for name in (asked,) if asked else ("g++", "c++", "clang++"):
        if found := shutil.which(name):
            return found
    raise Unavailable(f"no C++ compiler ({asked or 'g++'} is not found); install g++ for faster convolutions")


def _file_of(package: str, name: str) -> Path:
    """A file that a package installed, wherever that is."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        raise Unavailable("oneDNN is not installed; for faster convolutions: pip install 'slimtrain[cpu]'") from None
    for file in files:
        if file.name == name and (path := Path(str(file.locate()))).exists():
            return path.resolve() if name.endswith(".hpp") else path.absolute()
    raise Unavailable(f"{package} has no {name}; install it again: pip install --force-reinstall {package}")


def _header_folder() -> Path:
    found = distribution("jaxlib").locate_file("jaxlib/include")
    return Path(str(found))


def _told(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{command[0]} does not run: {error}") from None


def _compile(recipe: Recipe, target: Path) -> None:
    """Compiles the files of the library, one group of them a core: what takes long is XLA's header, once a group."""
    include = [option for folder in recipe.headers for option in ("-isystem", str(folder))]
    flags = [flag for flag in FLAGS if flag != "-shared"]
    objects, running = [], []
    for number, group in enumerate(_groups(sorted(SOURCE.glob("*.cpp")), cores())):
        objects.append(str(target.with_name(f"{number}.o")))
        sources = [option for source in group for option in ("-include", str(source))]
        running.append([recipe.compiler, *flags, *include, *sources, "-x", "c++", "-c", os.devnull, "-o", objects[-1]])
    _all_run(running)
    link = ["-L", str(recipe.onednn.parent), f"-l:{recipe.onednn.name}", f"-Wl,-rpath,{recipe.onednn.parent}"]
    _all_run([[recipe.compiler, "-shared", "-fopenmp", *objects, "-o", str(target), *link]])
    for made in objects:
        os.unlink(made)


def _groups(sources: Sequence[Path], count: int) -> list[list[Path]]:
    """Files in at most `count` groups of about the same size."""
    groups: list[list[Path]] = [[] for _ in sources[:count]]
    sizes = {source: source.stat().st_size for source in sources}
    for source in sorted(sources, key=lambda source: -sizes[source]):
        min(groups, key=lambda group: sum(sizes[one] for one in group)).append(source)
    return groups


def _all_run(commands: list[list[str]]) -> None:
    """Runs commands side by side; raises Unavailable with the first error."""
    started = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for c in commands]
    try:
        for process in started:
            _, errors = process.communicate(timeout=TIMEOUT)
            if process.returncode:
                first = next((line for line in errors.splitlines() if "error" in line), errors.strip()[:200])
                raise Unavailable(f"the compiler failed: {first}")
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the compiler took more than {TIMEOUT} s") from None
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()


def _check(library: Path) -> None:
    """Holds the library to float64 in a process of its own: what crashes there crashes no training."""
    command = [sys.executable, "-m", "slimtrain.native.check", str(library)]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=_environment())
    except subprocess.TimeoutExpired:
        raise Unavailable(f"its check took more than {TIMEOUT} s") from None
    if found.returncode:
        last = (found.stdout.strip().splitlines() or found.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"what was built failed its check: {last}")


def _environment() -> dict[str, str]:
    """The user's variables, for a child that has to find this very package, and a CPU."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "JAX_PLATFORMS": "cpu"}


def _publish(folder: Path, target: Path) -> None:
    """Gives a finished folder its name; another process may have been first, with the same."""
    try:
        os.rename(folder, target)
    except OSError:
        if not (target / LIBRARY).exists():
            raise
