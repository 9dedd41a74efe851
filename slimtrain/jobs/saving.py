"""What is written while training goes on: in one thread, one thing at a time, never with its failure unsaid."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Saver:
    """The thread that writes, and what it is writing."""

    threads: ThreadPoolExecutor
    pending: Future[None] | None = None

    @staticmethod
    @contextmanager
    def open() -> "Iterator[Saver]":
        """A saver for a block; the block ends when all is written, and raises what could not be."""
        with ThreadPoolExecutor(1, "slimtrain-saving") as threads:
            saver = Saver(threads)
            yield saver
            saver.finish()

    def start(self, work: Callable[[], None]) -> None:
        """Lets the thread work, once what it did before is done; raises what failed in that."""
        self.finish()
        self.pending = self.threads.submit(work)

    def check(self) -> None:
        """Raises what failed, if it is known by now; does not wait."""
        if self.pending is not None and self.pending.done():
            self.finish()

    def finish(self) -> None:
        """Waits until the work is done; raises what failed in it."""
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()
