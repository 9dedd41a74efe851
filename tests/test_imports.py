"""Every module imports alone, whatever was or was not imported before it."""

import subprocess
import sys
from pathlib import Path

import pytest

import slimtrain

ROOT = Path(slimtrain.__file__).parent
MODULES = sorted(
    ".".join(("slimtrain", *p.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for p in ROOT.rglob("*.py")
)
ALONE = """\
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [m for m in sys.modules if m.split(".")[0] == "slimtrain"]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""


@pytest.mark.parametrize("room", sorted({m.split(".")[1] if m.count(".") else "" for m in MODULES}))
def test_every_module_of_a_room_imports_first(room):
    mine = [m for m in MODULES if (m.split(".")[1] if m.count(".") else "") == room]
    done = subprocess.run([sys.executable, "-W", "error", "-c", ALONE, *mine], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
