"""Numbers and lists as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["joined", "number", "percent"]


def number(value: float, digits: int = 3) -> str:
    """Return a number with `digits` significant digits; a dash for NaN."""
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{digits}g}"


def percent(value: float) -> str:
    """Return a share in percent; shares below 10% get one decimal."""
    if np.isnan(value):
        return "–"
    return f"{value:.1%}" if 0 < value < 0.1 else f"{value:.0%}"


def joined(names: Sequence[str], most: int = 12) -> str:
    """Return names as a list in words; only the first `most` if there are more."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]
