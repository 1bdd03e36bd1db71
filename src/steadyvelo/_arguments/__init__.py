"""The one place that checks the arguments of public functions, each by its name."""

from __future__ import annotations

from ._public import check_fields, picture, public
from ._table import ARGUMENTS

__all__ = ["ARGUMENTS", "check_fields", "picture", "public"]
