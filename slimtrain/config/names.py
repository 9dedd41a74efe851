"""TF-Slim's scope names: defaults made unique within their parent, explicit ones taken as they are.

Counters are per parent and name; an explicit `Conv` counts too; entering a scope again starts its children's
counters afresh.
Source: TF-Slim, naming and variable-scope rules (tf.compat.v1 `variable_scope`).
"""

from dataclasses import dataclass, field

from slimtrain.errors import Mark


@dataclass
class Names:
    """The scopes opened so far while one plan is built.

    `opened` holds those that count, each with the number that its next namesake tries; `below` the scopes
    right under each; `first` where each stood first.
    """

    opened: dict[str, int] = field(default_factory=dict)
    below: dict[str, set[str]] = field(default_factory=dict)
    first: dict[str, Mark] = field(default_factory=dict)

    def unique(self, parent: str, default: str) -> str:
        """The full path of a default name, with `_1`, `_2`, ... where it is taken."""
        path = under(parent, default)
        if path not in self.opened:
            return path
        number = self.opened[path]
        while f"{path}_{number}" in self.opened:
            number += 1
        self.opened[path] = number
        return f"{path}_{number}"

    def open(self, path: str, mark: Mark) -> None:
        """Counts an entry into a scope and starts its children's counters afresh."""
        self.opened.setdefault(path, 1)
        self.first.setdefault(path, mark)
        forgotten = list(self.below.pop(path, ()))
        while forgotten:
            child = forgotten.pop()
            self.opened.pop(child, None)
            forgotten += self.below.pop(child, ())
        while "/" in path:
            child, path = path, path.rpartition("/")[0]
            self.below.setdefault(path, set()).add(child)


def under(parent: str, name: str) -> str:
    """`name` inside `parent`, which is '' at the top."""
    return f"{parent}/{name}" if parent else name


def nearest(name: str, parent: str, known: dict[str, Mark]) -> str | None:
    """The full name that `name` means inside `parent`: there, else in each enclosing scope, else at the top.

    A name that begins with `/` is a full name as it stands.
    """
    if name.startswith("/"):
        return name[1:] if name[1:] in known else None
    while True:
        if (path := under(parent, name)) in known:
            return path
        if not parent:
            return None
        parent = parent.rpartition("/")[0]
