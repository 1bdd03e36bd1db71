"""Errors as one line of text, and exit codes for kinds of errors."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from steadyvelo._settings import settings
from steadyvelo._warnings import NoVelocityGenesError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD_INPUT", "INTERRUPTED", "NO_VELOCITIES", "PIPE_CLOSED", "plain_errors"]

# exit codes: 0 success, 2 wrong usage (from typer), 3 wrong input, 4 too little splicing signal for
# velocities, 130 Ctrl-C, 141 the reader of the output has closed it
BAD_INPUT = 3
NO_VELOCITIES = 4
INTERRUPTED = 130
PIPE_CLOSED = 141


@contextmanager
def plain_errors(*, quiet: bool = False) -> Iterator[None]:
    """Print errors of the input without a traceback, and exit with the code of the error.

    Warnings are also printed as lines; with `quiet` neither warnings nor messages are printed.
    """
    verbosity = {"verbosity": 0} if quiet else {}

    def one_line(message: Any, *_: Any, **__: Any) -> None:
        if not quiet:
            # not with typer, which would disturb progress bars
            print(f"warning: {message}", file=sys.stderr)

    try:
        with settings.override(**verbosity), warnings.catch_warnings(), _interrupts_kept():
            warnings.showwarning = one_line
            yield
            # a closed pipe is noticed here, not when the interpreter ends
            sys.stdout.flush()
    except BrokenPipeError:
        # the reader, such as `| head`, has closed the pipe, so nothing more can be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except (ValueError, KeyError, TypeError, OSError, MemoryError) as error:
        # str of a KeyError has quotes
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        typer.echo(f"error: {text}", err=True)
        sys.exit(NO_VELOCITIES if isinstance(error, NoVelocityGenesError) else BAD_INPUT)
    except KeyboardInterrupt:
        typer.echo("interrupted; no incomplete file was written", err=True)
        sys.exit(INTERRUPTED)


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Repeat interrupts that Python can only report, such as those while numba compiles.

    The interrupted code then continues without its result and may fail before the interrupt is
    repeated; such an error counts as the interrupt.
    """
    report = sys.unraisablehook
    main = threading.main_thread().ident
    repeats: list[threading.Timer] = []

    def repeat(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            # later and from another thread: raised here, it would be lost again
            repeats.append(threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)))
            repeats[-1].start()
        else:
            report(lost)

    sys.unraisablehook = repeat
    try:
        yield
    except Exception:
        if repeats:
            raise KeyboardInterrupt from None
        raise
    else:
        if repeats:  # the work ended before the interrupt was repeated
            raise KeyboardInterrupt
    finally:
        sys.unraisablehook = report
        for one in repeats:
            one.cancel()
