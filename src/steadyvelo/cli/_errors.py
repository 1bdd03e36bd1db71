"""Errors as one plain line, and the exit codes that say what kind they are."""

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

# exit codes: 0 done, 2 wrong usage (typer's), 3 input that cannot be used, 4 data without the
# signal that velocities need, 130 Ctrl-C, 141 nobody reads the output any more
BAD_INPUT = 3
NO_VELOCITIES = 4
INTERRUPTED = 130
PIPE_CLOSED = 141


@contextmanager
def plain_errors(*, quiet: bool = False) -> Iterator[None]:
    """Print what is wrong with the input without a traceback, and say so by the exit code.

    Warnings are lines, too; with `quiet` (verbosity 0) there are none, and functions say nothing.
    """
    verbosity = {"verbosity": 0} if quiet else {}

    def one_line(message: Any, *_: Any, **__: Any) -> None:
        if not quiet:
            # not by typer, which would write through bars that move
            print(f"warning: {message}", file=sys.stderr)

    try:
        with settings.override(**verbosity), warnings.catch_warnings(), _interrupts_kept():
            warnings.showwarning = one_line
            yield
            # a closed pipe is noticed here, not when the interpreter ends
            sys.stdout.flush()
    except BrokenPipeError:
        # who read the lines has seen enough, as in `| head`; nor is there anyone to flush them to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except (ValueError, KeyError, TypeError, OSError, MemoryError) as error:
        # KeyError puts its message in quotes
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        typer.echo(f"error: {text}", err=True)
        sys.exit(NO_VELOCITIES if isinstance(error, NoVelocityGenesError) else BAD_INPUT)
    except KeyboardInterrupt:
        typer.echo("interrupted; nothing half-written is left", err=True)
        sys.exit(INTERRUPTED)


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Repeat an interrupt that came where Python can only report it, as while numba compiles.

    What was called goes on without its result then, and may fail for that before the interrupt
    comes again: such an error is the interrupt.
    """
    report = sys.unraisablehook
    main = threading.main_thread().ident
    repeats: list[threading.Timer] = []

    def repeat(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            # later and from another thread: in here it would be lost again
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
        if repeats:  # nor is it lost where all ends before it comes again
            raise KeyboardInterrupt
    finally:
        sys.unraisablehook = report
        for one in repeats:
            one.cancel()
