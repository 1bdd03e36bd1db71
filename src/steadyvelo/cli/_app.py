"""The program `steadyvelo` and its commands."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

import typer

from steadyvelo._version import __version__

from ._counts import attach, import_counts, inspect
from ._demo import demo
from ._errors import INTERRUPTED
from ._plot import plot
from ._report import report
from ._run import run

__all__ = ["main"]


app = typer.Typer(
    help="Steady-state RNA velocity: from spliced and unspliced counts to arrows.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the program."""
    try:
        app()
    except KeyboardInterrupt:
        # before or after a command's own handling: while modules are imported, say
        typer.echo("interrupted", err=True)
        _leave_interrupted()
    except SystemExit as left:
        if left.code == INTERRUPTED:
            _leave_interrupted()
        raise


def _leave_interrupted() -> NoReturn:
    """Leave at once: freeing what numba had half compiled can fail, or crash the program."""
    with suppress(OSError):  # a pipe that nobody reads any more
        sys.stdout.flush()
    os._exit(INTERRUPTED)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


app.command()(run)
app.command()(inspect)
app.command("import")(import_counts)
app.command()(attach)
app.command()(plot)
app.command()(report)
app.command()(demo)
