"""The click group that turns slimtrain's errors into lines and exit codes."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any, NoReturn

import click

from slimtrain.errors import Interrupted, SlimtrainError, StoppedError, did_you_mean

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 2.0
"""Seconds until a signal comes again that has not ended the command."""


class Group(click.Group):
    """A group that turns slimtrain's errors into lines and exit codes, and suggests commands."""

    def main(self, *words: Any, **named: Any) -> Any:
        """Runs the command line; the context's object says whether it is a program's own, not called with arguments."""
        program = not words and named.get("args") is None
        if program:
            heed()
        return super().main(*words, obj=program, **named)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; every way it can fail ends in one line or several and a documented exit code."""
        try:
            return super().invoke(ctx)
        except StoppedError as error:
            leave_now(ctx, error.exit_code, map(str, error.problems))
        except SlimtrainError as error:
            leave(error.exit_code, map(str, error.problems))
        except KeyboardInterrupt as error:
            interrupted(ctx, error)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if (interrupt := interrupt_in(error)) is not None:
                interrupted(ctx, interrupt)
            if ctx.params.get("debug"):
                import traceback

                traceback.print_exc()
            leave(*unexpected(error))
        finally:
            over(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command that is named; an unknown one is told with the nearest."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"No such command '{name}'. {did_you_mean(name, self.commands)}".strip())
        return super().resolve_command(ctx, args)


def heed() -> None:
    """Has SIGINT, SIGTERM and SIGHUP end the command by an exception, but where the process was started to ignore them.

    Python drops an exception that is raised in a callback, as of a weak reference or `__del__`, and modules that load
    may swallow one. So the signal comes again, until something ends the process or another handler has noted it.
    """
    usual = sys.unraisablehook

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        del frame
        again = threading.Timer(PATIENCE, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        raise Interrupted(number)

    def dropped(what: Any) -> None:
        if not isinstance(what.exc_value, Interrupted):
            usual(what)

    for number in STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
    sys.unraisablehook = dropped


def interrupt_in(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interrupt that an error was made of: Python 3.11 makes one of whatever is raised while a class is built."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error


def over(ctx: click.Context) -> None:
    """Has signals ignored while the interpreter is taken down, so that the exit code tells what came of the command.

    Only where the process is the command's own.
    """
    if ctx.find_root().obj:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)


def leave(code: int, lines: Iterable[str]) -> NoReturn:
    """Prints lines on stderr and ends the process with a code."""
    for line in lines:
        click.echo(line, err=True)
    raise SystemExit(code)


def leave_now(ctx: click.Context, code: int, lines: Iterable[str]) -> NoReturn:
    """As `leave`, without waiting for threads: they may compile for minutes, and an interrupt inside JAX can crash.

    Only where the process is the command's own.
    """
    if not ctx.find_root().obj:
        leave(code, lines)
    for line in lines:
        click.echo(line, err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def interrupted(ctx: click.Context, error: KeyboardInterrupt) -> NoReturn:
    """Leaves as a signal asks."""
    number = signal.Signals(getattr(error, "signal_number", signal.SIGINT))
    leave_now(ctx, 128 + number, [f"stopped by {number.name}"])


def unexpected(error: Exception) -> tuple[int, list[str]]:
    """(exit code, lines) for an error that nothing told in its own words."""
    first = (str(error).split("\n", 1)[0] or type(error).__name__)[:300]
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return 74, [f"cannot write: {error.strerror}: {error.filename or ''}"]
    if "RESOURCE_EXHAUSTED" in first or isinstance(error, MemoryError):
        return 1, [f"out of memory: {first}; lower data.batch_size, or set 'remat: true' on blocks"]
    return 1, [f"{type(error).__name__}: {first}", "run 'slimtrain --debug ...' for the traceback"]
