"""Categories of cells that have separate lines, such as lineages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from ._groups import cluster_codes
from ._provenance import hash_values

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from ._fit_params import FitOptions, FitParams

__all__ = ["Categories", "check_one_line"]


@dataclass(frozen=True, eq=False)
class Categories:
    """Names of categories, and the number of each cell's category, −1 for none."""

    names: tuple[str, ...]
    codes: NDArray[np.intp]

    @classmethod
    def of(cls, adata: AnnData, gamma_by: str) -> Self:
        """Read the categories of the used cells from a column of `obs`."""
        names, codes = cluster_codes(adata, gamma_by, argument="gamma_by")
        return cls(tuple(names), codes)

    @classmethod
    def of_fit(cls, adata: AnnData, params: FitParams, key: str) -> Self | None:
        """Read the categories of a fit; refuse those that have changed since the fit.

        None if all cells have the same line.
        """
        column, made_from = params.options.gamma_by, params.made_from
        if column is None:
            return None
        found = cls.of(adata, column).numbered(made_from.categories or ())
        if found.hash != made_from.categories_hash:
            msg = (
                f"obs[{column!r}], whose categories have separate ratios, has changed since the "
                f"fit; rerun tl.velocity(adata, gamma_by={column!r}, key_added={key!r})."
            )
            raise ValueError(msg)
        return found

    @property
    def hash(self) -> str:
        """Hash of the category of every cell."""
        return hash_values(self.codes)

    def numbered(self, names: tuple[str, ...]) -> Self:
        """Return the same with numbers in the order of other names; −1 for unknown names."""
        place = {name: number for number, name in enumerate(names)}
        numbers = np.array([*(place.get(name, -1) for name in self.names), -1], dtype=np.intp)
        # cells without a category have −1, the last place
        return type(self)(names, numbers[self.codes])


def check_one_line(options: FitOptions, what: str) -> None:
    """Refuse a fit with separate lines of categories; `what` (plural) need the same for all."""
    column = options.gamma_by
    if column is not None:
        msg = (
            f"{what} need the same ratio of a gene for all cells, but the fit has one for each "
            f"category of obs[{column!r}] (gamma_by). Run tl.velocity without gamma_by for them, "
            "under another name (key_added=)."
        )
        raise ValueError(msg)
