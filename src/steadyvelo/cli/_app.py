"""The program `steadyvelo` and its commands."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

import typer

from steadyvelo._version import __version__

from ._command import Command
from ._counts import attach, import_counts, inspect
from ._demo import demo
from ._errors import INTERRUPTED, exit_code, hear_signals
from ._export import export
from ._plot import plot
from ._report import report
from ._run import run
from ._streams import guard_streams

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
    guard_streams()
    try:
        hear_signals()
        app()
    except KeyboardInterrupt as interrupt:
        # outside the handling of a command, for example while modules are imported
        typer.echo("interrupted", err=True)
        _leave_interrupted(exit_code(interrupt))
    except SystemExit as left:
        if left.code in INTERRUPTED:
            _leave_interrupted(int(left.code))
        raise


def _leave_interrupted(code: int) -> NoReturn:
    """Exit immediately: freeing memory during a compilation by numba can fail or crash."""
    sys.stdout.flush()
    os._exit(code)


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
app.command(cls=Command)(export)
app.command(cls=Command)(demo)
