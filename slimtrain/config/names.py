"""TF-Slim's scope names: defaults made unique within their parent, explicit ones taken as they are.

Counters are per parent and name; an explicit `Conv` counts too; entering a scope again starts its children's counters afresh.
Source: TF-Slim, naming and variable-scope rules (tf.compat.v1 `variable_scope`).
"""

from dataclasses import dataclass, field

from slimtrain.errors import Mark


@dataclass
class Names:
    """The scopes opened so far while one plan is built: how often each was entered, and where it first stood."""

    opened: dict[str, int] = field(default_factory=dict)
    first: dict[str, Mark] = field(default_factory=dict)

    def unique(self, parent: str, default: str) -> str:
        """The full path of a default name, with `_1`, `_2`, ... where it is taken."""
        path, number = under(parent, default), 0
        while self.opened.get(path):
            number += 1
            path = under(parent, f"{default}_{number}")
        return path

    def open(self, path: str, mark: Mark) -> None:
        """Counts an entry into a scope and starts its children's counters afresh."""
        self.opened[path] = self.opened.get(path, 0) + 1
        for below in [p for p in self.opened if p.startswith(path + "/")]:
            del self.opened[below]
        self.first.setdefault(path, mark)


def under(parent: str, name: str) -> str:
    """`name` inside `parent`, which is '' at the top."""
    return f"{parent}/{name}" if parent else name


def nearest(name: str, parent: str, known: dict[str, Mark]) -> str | None:
    """The full name that `name` means inside `parent`: tried there, then in each enclosing scope, then at the top."""
    while True:
        if (path := under(parent, name)) in known:
            return path
        if not parent:
            return None
        parent = parent.rpartition("/")[0]
