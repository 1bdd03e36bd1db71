"""Checks of the arguments of public functions, by their names."""

from __future__ import annotations

from ._public import Binder, check_fields, names_checked, picture, public
from ._table import ARGUMENTS

__all__ = ["ARGUMENTS", "Binder", "check_fields", "names_checked", "picture", "public"]
