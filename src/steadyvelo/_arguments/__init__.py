"""Checks of the arguments of public functions, by their names."""

from __future__ import annotations

from ._public import check_fields, names_checked, picture, public
from ._table import ARGUMENTS

__all__ = ["ARGUMENTS", "check_fields", "names_checked", "picture", "public"]
