"""How a job talks while it works: sentences and bars on stderr, bars only where somebody watches."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from slimtrain.errors import Problem

PATIENCE = 5.0
"""Seconds that nothing is said of."""

BLINK = 0.2
"""Seconds between looks at what is waited for."""

Advance = Callable[[int, str], None]


@dataclass(frozen=True)
class Talk:
    """What a job may say. `level`: -1 errors only, 0 what matters, 1 details."""

    level: int = 0

    def say(self, text: str, level: int = 0) -> None:
        """A line on stderr, kept clear of a bar."""
        if level <= self.level:
            tqdm.write(text, file=sys.stderr)

    def warn(self, problems: Iterable[Problem]) -> None:
        """Warnings, each once, on stderr."""
        for problem in dict.fromkeys(problems):
            self.say(str(problem))

    @contextmanager
    def bar(self, total: int, done: int, unit: str, what: str) -> Iterator[Advance]:
        """A progress bar from `done` to `total`; none with -q or where stderr is no terminal."""
        hidden = self.level < 0 or not sys.stderr.isatty()
        looks: dict[str, Any] = {"unit": unit, "desc": what, "leave": None, **_width()}  # inner bars vanish
        with tqdm(total=total, initial=done, disable=hidden, file=sys.stderr, **looks) as shown:

            def advance(number: int, postfix: str) -> None:
                if postfix:
                    shown.set_postfix_str(postfix, refresh=False)
                shown.update(number)

            yield advance

    def waiting(self, finished: Callable[[float], bool], what: str) -> None:
        """Waits, and after PATIENCE seconds tells what for, and how long already, where a bar would be shown.

        Args:
            finished: waits up to some seconds; whether it is over.
            what: what is being done.
        """
        began = time.monotonic()
        while not finished(BLINK):
            if time.monotonic() - began >= PATIENCE:
                break
        else:
            return
        hidden = self.level < 0 or not sys.stderr.isatty()
        looks: dict[str, Any] = {"desc": what, "bar_format": "{desc} ... {elapsed}", "leave": None, **_width()}
        with tqdm(disable=hidden, file=sys.stderr, **looks) as shown:
            shown.start_t = time.time() - PATIENCE
            while not finished(BLINK):
                shown.refresh()


def _width() -> dict[str, Any]:
    """tqdm's width: the terminal's as it changes, 80 by 24 where the terminal does not say."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        known = False
    return {"dynamic_ncols": True} if known else {"ncols": 80, "nrows": 24}


QUIET = Talk(-1)
