"""Errors as one line of text, and exit codes for kinds of errors."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from steadyvelo._printable import printable
from steadyvelo._settings import settings
from steadyvelo._warnings import NoVelocityGenesError

from ._streams import output_lost

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "BAD_INPUT",
    "INTERRUPTED",
    "NO_VELOCITIES",
    "PIPE_CLOSED",
    "exit_code",
    "hear_signals",
    "plain_errors",
]

# exit codes: 0 success, 2 wrong usage (from typer), 3 wrong input, 4 too little splicing signal for
# velocities, 129, 130 and 143 the terminal was closed, Ctrl-C, and SIGTERM (as of a scheduler), 141
# files are complete, but the reader of the output has closed it
BAD_INPUT = 3
NO_VELOCITIES = 4
INTERRUPTED = {129, 130, 143}
PIPE_CLOSED = 141


class _Signalled(KeyboardInterrupt):
    """A signal that ends the program, with its number."""


def hear_signals() -> None:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, so that nothing is left half-done."""

    def end(number: int, _: Any) -> None:
        raise _Signalled(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # nohup has SIGHUP ignored
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of a program that a signal has ended."""
    return 128 + _number(interrupt)


def _number(interrupt: BaseException | None) -> int:
    is_other = isinstance(interrupt, _Signalled)
    return int(interrupt.args[0]) if is_other else int(signal.SIGINT)


@contextmanager
def plain_errors(*, quiet: bool = False) -> Iterator[None]:
    """Print errors of the input without a traceback, and exit with the code of the error.

    Warnings are also printed as lines; with `quiet` neither warnings nor messages are printed.
    """
    verbosity = {"verbosity": 0} if quiet else {}

    def one_line(message: Any, *_: Any, **__: Any) -> None:
        if not quiet:
            # not with typer, which would disturb progress bars
            print(printable(f"warning: {message}"), file=sys.stderr)

    try:
        with settings.override(**verbosity), warnings.catch_warnings(), _interrupts_kept():
            warnings.showwarning = one_line
            yield
        if output_lost():
            sys.exit(PIPE_CLOSED)
    except (ValueError, KeyError, TypeError, OSError, MemoryError) as error:
        # str of a KeyError has quotes
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        typer.echo(printable(f"error: {text}"), err=True)
        sys.exit(NO_VELOCITIES if isinstance(error, NoVelocityGenesError) else BAD_INPUT)
    except KeyboardInterrupt as interrupt:
        typer.echo("interrupted; no incomplete file was written", err=True)
        sys.exit(exit_code(interrupt))


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Repeat interrupts that Python can only report, such as those while numba compiles.

    The interrupted code then continues without its result and may fail before the interrupt is
    repeated; such an error counts as the interrupt.
    """
    report = sys.unraisablehook
    main = threading.main_thread().ident
    repeats: list[threading.Timer] = []
    interrupts: list[KeyboardInterrupt] = []

    def repeat(lost: sys.UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            interrupts.append(type(lost.exc_value)(*lost.exc_value.args))
            # later and from another thread: raised here, it would be lost again
            again = (main, _number(lost.exc_value))
            repeats.append(threading.Timer(0.05, signal.pthread_kill, again))
            repeats[-1].start()
        else:
            report(lost)

    sys.unraisablehook = repeat
    try:
        yield
    except Exception:
        if interrupts:
            raise interrupts[0] from None
        raise
    else:
        if interrupts:  # the work ended before the interrupt was repeated
            raise interrupts[0]
    finally:
        sys.unraisablehook = report
        for one in repeats:
            one.cancel()
