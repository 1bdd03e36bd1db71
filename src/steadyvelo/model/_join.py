"""Join the results of several sets of genes."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from ._typing import IntArray

__all__ = ["joined", "taken"]

Result = TypeVar("Result")


def joined(parts: list[Result], genes: list[IntArray] | None = None) -> Result:
    """Concatenate the arrays of dataclasses, also of dataclasses inside them.

    If the `genes` of each part are given, the result is in their ascending order.
    """
    order = slice(None) if genes is None else np.argsort(np.concatenate(genes))
    return cast("Result", _joined(parts, order))


def taken(part: Result, genes: IntArray) -> Result:
    """Return some genes of a dataclass of arrays, also of dataclasses inside it."""
    return cast("Result", _joined([part], genes))


def _joined(parts: list[Any], order: Any) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)[order]
    names = [field.name for field in fields(parts[0])]
    own = (_joined([getattr(part, name) for part in parts], order) for name in names)
    return type(parts[0])(*own)
