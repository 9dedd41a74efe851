"""Where and when something was measured."""

import os
import platform
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from slimtrain.machine import processor

ROOT = Path(__file__).parents[2]


def machine() -> dict[str, Any]:
    """The machine, the time, the revision of slimtrain."""
    return {
        "date": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        "revision": _revision(),
        "interpreter": sys.executable,
    }


def line(found: dict[str, Any]) -> str:
    """It as a line of text."""
    told = "{date}, {cores} cores of {cpu}, {memory_gb} GB, {system}, Python {python}, slimtrain {revision}"
    return f"{told}, load {{load}} at the start.".format(**found)


def _revision() -> str:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return told.stdout.strip() or "of no repository"
