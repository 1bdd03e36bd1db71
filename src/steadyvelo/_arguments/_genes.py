"""Arguments that choose genes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._kinds import Check, names, number, refuse

__all__ = ["averages", "programme"]

_NAMES = names("names of genes, a mask, or the name of a column of var")
_NOT_NEGATIVE = number(least=0)


def averages(argument: str, value: Any) -> tuple[float, float]:
    """Take two numbers that are not negative: of spliced and of unspliced counts."""
    two = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))
    if not two or len(value) != 2:
        how = "two numbers, of spliced and of unspliced counts, such as (0.08, 0.02)"
        refuse(argument, how, value)
    first, second = (_NOT_NEGATIVE(argument, each) for each in value)
    return first, second


def programme(argument: str, value: Any) -> Any:
    """Take names of genes, the name of a column of var, or a mask; a list of flags is an array."""
    if str(getattr(value, "dtype", "")) == "bool" and value.ndim == 1:
        return value
    if isinstance(value, (list, tuple)) and value and all(map(_is_flag, value)):
        return np.asarray(value, dtype=bool)
    check: Check = _NAMES
    return check(argument, value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))
