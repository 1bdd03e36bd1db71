"""Sums over genes that are made block by block."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

__all__ = ["GeneSums"]


@dataclass(eq=False)
class GeneSums:
    """Arrays that are sums over genes; the sums of two blocks of genes add, field by field."""

    def __iadd__(self, other: Self) -> Self:
        """Add the sums of other genes in place: those of all edges take much memory."""
        for field in fields(self):
            total = getattr(self, field.name)
            total += getattr(other, field.name)
        return self
