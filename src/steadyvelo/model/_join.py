"""Join the results of several sets of genes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar, cast

import numpy as np

__all__ = ["joined"]

Result = TypeVar("Result")


def joined(parts: list[Result]) -> Result:
    """Concatenate the arrays of dataclasses, also of dataclasses inside them."""
    return cast("Result", _joined(parts))


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(*(_joined([getattr(part, name) for part in parts]) for name in names))
