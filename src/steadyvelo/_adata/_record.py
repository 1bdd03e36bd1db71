"""Data classes that are stored as entries of `uns`.

Files of AnnData cannot store None or an empty entry. None is written as the empty string (a
quantile or an infinite bound as NaN), or the entry is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from steadyvelo._choices import Stochastic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steadyvelo.model._ratio import OffsetMode

__all__ = ["Record"]

_OFFSETS: dict[str, OffsetMode] = {"False": False, "True": True, "nonnegative": "nonnegative"}
# how values that files cannot store are written, by the type of the field
_WRITE: dict[str, Callable[[Any], Any]] = {
    "str | None": lambda text: text or "",
    "OffsetMode": str,
    "Quantiles": lambda pair: np.array([np.nan if q is None else q for q in pair]),
    "tuple[str, ...] | None": lambda names: np.asarray(names, dtype=object),
    "tuple[float, float] | None": lambda pair: np.where(np.isinf(pair), np.nan, pair),
}
# how values are read, unless they are text or one of several words
_READ: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str | None": lambda text: str(text) or None,
    "OffsetMode": lambda name: _OFFSETS[str(name)],
    "Quantiles": lambda pair: tuple(None if np.isnan(q) else float(q) for q in pair),
    "tuple[str, ...] | None": lambda names: tuple(map(str, np.atleast_1d(names))),
    "tuple[float, float] | None": lambda pair: tuple(
        end if np.isnan(x) else float(x) for x, end in zip(pair, (-np.inf, np.inf), strict=True)
    ),
}


@dataclass(frozen=True)
class Record:
    """A dataclass that is stored as entries of `uns`, named like its fields."""

    # names of entries that differ from the field's name; fields that are left out if they are None
    _NAMED: ClassVar[dict[str, str]] = {}
    _LEFT_OUT: ClassVar[tuple[str, ...]] = ()

    def encode(self) -> dict[str, Any]:
        """Return the entries."""
        entries = {}
        for f in fields(self):
            value, write = getattr(self, f.name), _WRITE.get(str(f.type))
            left_out = value is None and f.name in self._LEFT_OUT
            if not (left_out or isinstance(value, (Record, Stochastic))):
                entries[self._NAMED.get(f.name, f.name)] = value if write is None else write(value)
        return entries

    @classmethod
    def decode(cls, entries: Mapping[str, Any]) -> Self:
        """Read the entries of :meth:`encode`; missing entries get their defaults."""
        found = {}
        for f in fields(cls):
            name = cls._NAMED.get(f.name, f.name)
            if name in entries:
                found[f.name] = _READ.get(str(f.type), str)(entries[name])
        return cls(**found)
