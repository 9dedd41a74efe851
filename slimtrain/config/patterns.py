"""Patterns for variables: whole path components, or a regular expression found anywhere in the name."""

import re
from collections.abc import Iterable

from slimtrain.errors import ConfigError, Mark, Problem, did_you_mean

_REGEX = set(".^$*+?{}[]\\|()")


def matcher(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression to search names with.

    Without regex characters it matches whole components: `conv1` and `conv1/` match `net/conv1/weights`,
    never `conv10`.

    Raises:
        re.error: a regular expression that is none.
    """
    if _REGEX & set(pattern):
        return re.compile(pattern)
    return re.compile(rf"(?:^|/){re.escape(pattern.strip('/'))}(?:/|$)")


def matching(patterns: Iterable[str], names: Iterable[str], where: str, mark: Mark | None = None) -> list[str]:
    """The names that any of the patterns matches, in their order.

    Raises:
        ConfigError: patterns that match nothing or are no regular expressions, all of them.
    """
    names = list(names)
    problems, found = [], set()
    for pattern in patterns:
        try:
            hits = [n for n in names if matcher(pattern).search(n)]
        except re.error as error:
            problems.append(Problem(where, f"'{pattern}' is no regular expression: {error}", mark=mark))
            continue
        if not hits:
            hint = did_you_mean(pattern.strip("^$/"), _candidates(names)) or "'slimtrain inspect' lists the variables"
            problems.append(Problem(where, f"'{pattern}' matches no variable", hint, mark))
        found.update(hits)
    if problems:
        raise ConfigError(*problems)
    return [n for n in names if n in found]


def _candidates(names: Iterable[str]) -> set[str]:
    """Variable names and every scope above them."""
    parts = [name.split("/") for name in names]
    return {"/".join(p[:i]) for p in parts for i in range(1, len(p) + 1)}
