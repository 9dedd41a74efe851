"""The rooms of the house: who may import whom. An arrow that the architecture does not draw fails here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import slimtrain

ROOT = Path(slimtrain.__file__).parent
MAY = {
    "errors": set(),
    "lazy": set(),
    "config": {"errors", "wire"},
    "cache": set(),
    "machine": set(),
    "native": {"cache", "machine"},
    "net": {"config", "errors", "lazy", "native"},
    "train": {"net", "config", "errors", "lazy"},
    "wire": set(),
    "data": {"config", "errors", "machine", "wire"},
    "store": {"errors", "machine", "wire"},
    "programs": {"cache", "machine", "__init__"},
    "backend": {"lazy", "programs", "__init__"},
    "memory": set(),
    "jobs": {
        *("train", "net", "config", "data", "store", "errors", "lazy", "backend"),
        "cache",
        "machine",
        "memory",
        "native",
        "programs",
        "__init__",
    },
    "cli": {"jobs", "errors", "backend", "memory", "__init__"},
    "__init__": {"jobs", "train", "net", "config", "data", "store", "errors", "lazy"},
    "__main__": {"cli"},
}
WITHOUT_JAX = ("errors", "cache", "machine", "memory", "programs", "wire", "config", "data", "store", "cli")
FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def room_of(module: str) -> str:
    """The room that a module is in; the package itself is `__init__`."""
    parts = module.split(".")
    if len(parts) == 1:
        return "__init__"
    return parts[1] if f"slimtrain.{parts[1]}" in MODULES else "__init__"


def imports(path: Path, top_only: bool = False) -> Iterator[tuple[str, int]]:
    """Modules that a file imports, with their lines; `top_only` leaves out those inside functions."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in MODULES else str(node.module)), node.lineno


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_arrows_point_one_way(path):
    here = room_of(module_of(path))
    for module, line in imports(path):
        if module.split(".")[0] == "slimtrain" and (there := room_of(module)) != here:
            assert there in MAY[here], f"{path}:{line}: {here} must not import {module}"


@pytest.mark.parametrize("path", [p for p in FILES if room_of(module_of(p)) in WITHOUT_JAX], ids=module_of)
def test_rooms_without_jax(path):
    for module, line in imports(path):
        assert module.split(".")[0] not in ("jax", "jaxlib", "optax"), f"{path}:{line}: imports {module}"
        assert module != "slimtrain.lazy", f"{path}:{line}: imports slimtrain.lazy"


def test_no_module_imports_itself_in_a_circle():
    edges = {module_of(p): {m for m, _ in imports(p, top_only=True) if m in MODULES} for p in FILES}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above[above.index(module) :], module))
        if module not in done:
            for inner in sorted(edges[module] - {module}):
                visit(inner, (*above, module))
            done.add(module)

    for module in sorted(edges):
        visit(module, ())


def test_every_room_is_drawn():
    assert {room_of(m) for m in MODULES} <= set(MAY)
