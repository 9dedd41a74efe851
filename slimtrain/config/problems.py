"""The problems of a config, as they are found: up to so many that nobody would read more."""

from collections.abc import Iterable

from slimtrain.errors import Problem

MAX_PROBLEMS = 100


class Enough(Exception):
    """There are more problems than are told."""


class Problems(list[Problem]):
    """A list that ends the search when it is full; a text of a megabyte has room for mistakes without end."""

    def append(self, problem: Problem) -> None:
        """Adds a problem; raises Enough where the list is full."""
        if len(self) >= MAX_PROBLEMS:
            raise Enough
        super().append(problem)

    def __iadd__(self, problems: Iterable[Problem]) -> "Problems":  # type: ignore[override,misc]
        for problem in problems:
            self.append(problem)
        return self
