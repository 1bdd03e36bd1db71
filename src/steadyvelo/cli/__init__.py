"""The command line. Commands import what they need when they are called."""

from __future__ import annotations

from ._app import main

__all__ = ["main"]
