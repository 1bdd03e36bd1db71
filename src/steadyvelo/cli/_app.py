"""The program `steadyvelo` and its commands."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

import typer

from steadyvelo._version import __version__

from ._command import Command
from ._counts import attach, import_counts, inspect
from ._demo import demo
from ._errors import INTERRUPTED
from ._plot import plot
from ._report import report
from ._run import run

__all__ = ["main"]


app = typer.Typer(
    rich_markup_mode="markdown",
    help="Steady-state RNA velocity: from spliced and unspliced counts to arrows and tests.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the program."""
    # when Python ends, it need not search all objects for garbage
    atexit.register(gc.freeze)
    try:
        app()
    except KeyboardInterrupt:
        # outside the handling of a command, for example while modules are imported
        typer.echo("interrupted", err=True)
        _leave_interrupted()
    except SystemExit as left:
        if left.code == INTERRUPTED:
            _leave_interrupted()
        raise


def _leave_interrupted() -> NoReturn:
    """Exit immediately: freeing memory during a compilation by numba can fail or crash."""
    with suppress(OSError):  # a pipe that is no longer read
        sys.stdout.flush()
    os._exit(INTERRUPTED)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


app.command(cls=Command)(run)
app.command(cls=Command)(inspect)
app.command("import", cls=Command)(import_counts)
app.command(cls=Command)(attach)
app.command(cls=Command)(plot)
app.command(cls=Command)(report)
app.command(cls=Command)(demo)
