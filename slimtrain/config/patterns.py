"""Patterns for variables: whole path components, or a regular expression found anywhere in the name."""

import re
import warnings
from collections.abc import Iterable

from slimtrain.config.patience import TooLong, at_most
from slimtrain.errors import ConfigError, Mark, Problem, did_you_mean

SECONDS = 2.0
"""Of computing, for one pattern and all names; one that nests repetitions can take longer than the universe is old."""
_REGEX = set(".^$*+?{}[]\\|()")


def matcher(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression to search names with.

    Without regex characters it matches whole components: `conv1` and `conv1/` match `net/conv1/weights`,
    never `conv10`.

    Raises:
        re.error: a regular expression that is none.
    """
    if _REGEX & set(pattern):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what a later Python may read differently
                return re.compile(pattern)
        except (RecursionError, OverflowError) as error:
            raise re.error(str(error)) from None
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
            with at_most(SECONDS):
                search = matcher(pattern).search
                hits = [n for n in names if search(n)]
        except re.error as error:
            problems.append(Problem(where, f"'{pattern}' is no regular expression: {error}", mark=mark))
            continue
        except TooLong:
            told = f"'{pattern}' takes more than {SECONDS:.0f} seconds to search the names"
            problems.append(Problem(where, told, "nest no repetitions: 'a+' instead of '(a+)+'", mark))
            break
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
