"""The command line. Commands import modules when they are called."""

from __future__ import annotations

from ._app import main

__all__ = ["main"]
