"""What can go wrong: problems with a place and a cure, and one family of errors that carry exit codes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

COMMAND_LINE = "command line"
LONGEST = 1500
"""Characters of a problem, and of its hint, that are told; names and values in them may be of any length."""
LONGEST_WORD, MOST_WORDS = 100, 500
"""What is compared with known words at all, and with how many: a comparison takes as long as both words together."""


@dataclass(frozen=True)
class Mark:
    """A place in a text: `file` as the user named it, `line` and `column` from 1.

    `folder` is what relative paths written there are relative to.
    """

    file: str
    line: int
    column: int
    folder: Path = field(default=Path("."), compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def short(self) -> str:
        """`file:line`, or `command line`."""
        return COMMAND_LINE if self.file == COMMAND_LINE else f"{Path(self.file).name}:{self.line}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it is, what it is (with the value), and what to do about it."""

    where: str
    what: str
    hint: str = ""
    mark: Mark | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.mark}: " if self.mark else ""
        where = f"{self.where}: " if self.where else ""
        between = " " if self.hint.startswith("(") else "; "
        hint = f"{between}{printable(self.hint, LONGEST)}" if self.hint else ""
        told = printable(f"{place}{where}{self.what}", LONGEST)
        return f"{told}{hint}" + ("   [warning]" if self.severity == "warning" else "")


class SlimtrainError(Exception):
    """Anything that slimtrain reports instead of a traceback; `exit_code` is what the command leaves with."""

    exit_code = 1

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(Problem("", p) if isinstance(p, str) else p for p in problems)
        super().__init__("\n".join(map(str, self.problems)))


class ConfigError(SlimtrainError):
    """The config or the command line is wrong."""

    exit_code = 2


class DivergedError(SlimtrainError):
    """A step's numbers are not finite; `state` is the one from before it, `step` its number, from 1, `batch` its batch.

    `loss` is what the step found.
    """

    exit_code = 3
    state: Any = None
    step: int = 0
    batch: Any = None
    loss: float = 0.0


class DataError(SlimtrainError):
    """A data file is missing, truncated or not what its header says."""

    exit_code = 4


class CheckpointError(SlimtrainError):
    """No checkpoint, or one that does not verify or does not fit."""

    exit_code = 5


class RunInUseError(SlimtrainError):
    """Another process holds the run directory."""

    exit_code = 6


class WriteError(SlimtrainError):
    """A file could not be written: disk full, no permission, folder gone."""

    exit_code = 74


class StoppedError(SlimtrainError):
    """A signal stopped the run after its state was saved; the exit code is 128 + the signal's number."""

    def __init__(self, signal_number: int, *problems: Problem | str) -> None:
        super().__init__(*problems)
        self.exit_code = 128 + signal_number


class Interrupted(KeyboardInterrupt):
    """A signal that came while there was nothing to save; raised where it arrived."""

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


def printable(text: str, most: int) -> str:
    """A text as one line that does nothing to a terminal; of one with more than `most` characters, both ends."""
    text = _ends(text, most)
    # Cut again: an escape is up to ten characters for one.
    return text if text.isprintable() else _ends("".join(c if c.isprintable() else _escaped(c) for c in text), most)


def _ends(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: 2 * most // 3]} ... {text[-most // 3 :]}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the up to three known words nearest to `word`, or nothing."""
    from difflib import get_close_matches  # here, since --help needs none

    if len(word) > LONGEST_WORD:
        return ""
    words = [w for w in islice(known, MOST_WORDS) if len(w) <= LONGEST_WORD]
    near = get_close_matches(word, sorted(words), n=3, cutoff=0.6)
    return "did you mean " + ", ".join(repr(n) for n in near) + "?" if near else ""


def one_of(known: Iterable[str]) -> str:
    """`(a, b, c)`: the words that are allowed."""
    return "(" + ", ".join(known) + ")"
