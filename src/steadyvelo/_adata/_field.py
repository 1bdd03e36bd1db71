"""One field of an AnnData: its slot and form, and how it is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ._checks import check_key, writable

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["FIELDS", "Field", "check_key_added"]

Slot = Literal["layers", "obs", "var", "obsm", "varm", "obsp", "uns"]

FIELDS: list[Field] = []

# different from every default that a caller could give
_REFUSE = object()
_EXACT = {"bool", "int32", "int64", "float32", "float64"}


@dataclass(frozen=True)
class Field:
    """One field of an AnnData: its slot, form and key, and its meaning with the unit.

    The key may contain ``{key}`` (the velocity key) or ``{basis}``. A written value must have the
    declared form; a value that is read may have another precision.
    """

    slot: Slot
    shape: str
    name: str
    meaning: str
    dtype: str = "float64"

    def __post_init__(self) -> None:
        FIELDS.append(self)

    def of(self, key: str = "velocity", basis: str = "") -> str:
        """Return the name of the field for a velocity key and a basis."""
        return self.name.format(key=key, basis=basis)

    def is_in(self, adata: AnnData, key: str = "velocity", basis: str = "") -> bool:
        """Tell whether an AnnData has the field."""
        return self.of(key, basis) in getattr(adata, self.slot)

    def read(
        self,
        adata: AnnData,
        key: str = "velocity",
        basis: str = "",
        *,
        remedy: str = "run the step that writes it first.",
        default: Any = _REFUSE,
    ) -> Any:
        """Return the value of the field, or the default; refuse if there is neither."""
        name = self.of(key, basis)
        if default is not _REFUSE:
            return getattr(adata, self.slot).get(name, default)
        return check_key(adata, self.slot, name, remedy)

    def values(self, adata: AnnData, key: str = "velocity", basis: str = "") -> np.ndarray:
        """Return a column as an array: bool for columns of flags, otherwise as stored."""
        column = self.read(adata, key, basis)
        return np.asarray(column.to_numpy(dtype=bool if self.dtype == "bool" else None))

    def write(self, adata: AnnData, value: Any, key: str = "velocity", basis: str = "") -> None:
        """Store a value, after copying a view; refuse a value without the declared form."""
        name = self.of(key, basis)
        found = self._differs(adata, value)
        if found:
            msg = f"{self.slot}[{name!r}] must be {self.shape} {self.dtype}; the value is {found}."
            raise TypeError(msg)
        writable(adata)
        getattr(adata, self.slot)[name] = value

    def drop(self, adata: AnnData, key: str = "velocity", basis: str = "") -> None:
        """Remove the field if it exists."""
        if self.is_in(adata, key, basis):
            writable(adata)
            del getattr(adata, self.slot)[self.of(key, basis)]

    def _differs(self, adata: AnnData, value: Any) -> str:
        """Return the form of a value if it is not the declared one, otherwise the empty string."""
        if self.shape in {"mapping", "table"}:
            kind = Mapping if self.shape == "mapping" else pd.DataFrame
            return "" if isinstance(value, kind) else type(value).__name__
        sizes = {"cells": adata.n_obs, "genes": adata.n_vars}
        wanted = [sizes.get(axis, axis) for axis in self.shape.split(" × ")]
        shape, dtype = np.shape(value), getattr(value, "dtype", None)
        fits = len(shape) == len(wanted) and all(
            not str(size).isdigit() or int(size) == length
            for size, length in zip(wanted, shape, strict=True)
        )
        if self.dtype == "category":
            fits &= isinstance(dtype, pd.CategoricalDtype)
        elif self.dtype in _EXACT and not isinstance(value, pd.DataFrame):
            fits &= dtype == np.dtype(self.dtype)
        return "" if fits else f"{' × '.join(map(str, shape))} {dtype}"


def check_key_added(key: str, *layers: str) -> None:
    """Refuse a prefix under which results would overwrite other data."""
    taken = {(f.slot, f.name) for f in FIELDS if "{" not in f.name}
    taken |= {("layers", name) for name in layers}
    for field in FIELDS:
        if "{key}" in field.name and (field.slot, field.of(key)) in taken:
            msg = (
                f"key_added={key!r} would overwrite {field.slot}[{field.of(key)!r}]; choose "
                "another name."
            )
            raise ValueError(msg)
    # arrows are stored in obsm["{key}_{basis}"], embeddings in obsm["X_{basis}"]
    if key in {"", "X"}:
        msg = f"key_added={key!r} cannot be used as a name of results; choose another one."
        raise ValueError(msg)
