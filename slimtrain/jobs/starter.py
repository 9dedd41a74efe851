"""`slimtrain init`: a config to begin with."""

from pathlib import Path

from slimtrain.errors import ConfigError, Problem
from slimtrain.store.files import write_text

TEMPLATES = Path(__file__).parents[1] / "templates"


def templates() -> list[str]:
    """The names of the starter configs."""
    return sorted(path.stem for path in TEMPLATES.glob("*.yaml"))


def starter(template: str, out: Path | None) -> str:
    """A starter config's text, written to `out` unless that is None; never over a file."""
    text = (TEMPLATES / f"{template}.yaml").read_text()
    if out is None:
        return text
    if out.exists():
        raise ConfigError(Problem(str(out), "is there already", "give another name, or remove it"))
    write_text(out, text.replace("THIS_FILE", str(out)))
    return text
