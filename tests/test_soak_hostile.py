"""A share of the soaks of hostile configs and files, from one seed; and that slimtrain runs nothing that it reads."""

import ast
from pathlib import Path

import pytest
from soak import confined

import slimtrain

SOURCES = sorted(Path(slimtrain.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("module, count", [("files", 2200), ("configs", 800)])
def test_no_input_ends_in_anything_but_an_answer(module, count):
    tally = confined.confined(module, count, 6, 2)
    assert tally.failures == [] and tally.tried.total() == count


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(SOURCES[0].parent)))
def test_nothing_runs_what_it_reads(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not modules & NEVER, path
            assert not modules & {"importlib", "imp"} or path.name in IMPORTERS, f"{path} imports by name"
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("eval", "exec", "compile", "__import__", "np.load", "numpy.load", "yaml.load"), path
            assert not name.endswith((".unsafe_load", ".full_load", ".loads_pickle")), path
            flags = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert flags.get("allow_pickle", "False") == "False" and flags.get("shell", "False") == "False", path


NEVER = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "runpy"}
IMPORTERS = {"__init__.py": "its own modules", "lazy.py": "jax, optax", "catalog.py": "--plugin of the command line"}
"""The files that import by name, and what."""
