"""The counts that quality checks read, and the result of a check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from steadyvelo._adata._checks import is_integer
from steadyvelo._adata._kind_of_counts import is_normalised
from steadyvelo._settings import settings
from steadyvelo.engine import count_threads, weighted_column_sums, weighted_row_sums

from ._gene_criteria import GeneCounts

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from ._cell_sizes import Doubt

__all__ = ["Counts", "Finding", "Molecules"]


@dataclass(frozen=True)
class Finding:
    """Result of a check: the verdict, the number on which it depends, the reason and a remedy."""

    # "attention": the fit is possible; "stop": a fit would be meaningless
    verdict: Literal["ok", "attention", "stop"]
    value: float
    reason: str
    remedy: str = ""


@dataclass(frozen=True, eq=False)
class Counts:
    """The layers that checks read, cells × genes, with names and the group of each cell.

    `doubt` is a sign that library sizes belong to selected genes or to other counts, or None.
    `taken_as` has the layers of which the user has said whether they are normalised.
    """

    spliced: sp.csr_array[Any]
    unspliced: sp.csr_array[Any]
    ambiguous: sp.csr_array[Any] | None
    cells: pd.Index
    genes: pd.Index
    groups: pd.Series | None
    doubt: Doubt | None
    taken_as: dict[str, bool] | None = None

    @property
    def layers(self) -> dict[str, sp.csr_array[Any]]:
        """The two layers by name."""
        return {"spliced": self.spliced, "unspliced": self.unspliced}

    @cached_property
    def per_cell(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The spliced and the unspliced molecules of each cell."""
        every = np.ones((self.spliced.shape[1], 1))
        s, u = (
            weighted_row_sums(x, every, count_threads(settings.n_threads))
            for x in self.layers.values()
        )
        return s[:, 0], u[:, 0]

    @cached_property
    def per_gene(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The spliced and the unspliced molecules of each gene."""
        every = np.ones(self.spliced.shape[0])
        s, u = (
            weighted_column_sums(x, every, count_threads(settings.n_threads))
            for x in self.layers.values()
        )
        return s, u

    @cached_property
    def shared(self) -> NDArray[np.float64]:
        """Each gene's molecules in cells that have both spliced and unspliced ones."""
        n_threads = count_threads(settings.n_threads)
        return GeneCounts(self.spliced, self.unspliced, n_threads).shared

    @cached_property
    def whole(self) -> dict[str, bool]:
        """Whether all values of a layer are whole numbers."""
        return {name: is_integer(x) for name, x in self.layers.items()}

    @cached_property
    def normalised(self) -> dict[str, bool]:
        """Whether a layer is taken as divided by library sizes."""
        judged = self.taken_as or {}
        return {
            name: judged[name] if name in judged else is_normalised(x)
            for name, x in self.layers.items()
        }

    def unspliced_share(self) -> float:
        """Return the share of unspliced molecules in all spliced and unspliced molecules."""
        return _share(*(float(x.sum()) for x in self.per_cell))

    def of_cells(self, chosen: NDArray[np.bool_]) -> Counts:
        """Return the counts of some of the cells."""
        return replace(
            self,
            spliced=self.spliced[chosen],
            unspliced=self.unspliced[chosen],
            ambiguous=None if self.ambiguous is None else self.ambiguous[chosen],
            cells=self.cells[chosen],
            groups=None if self.groups is None else self.groups[chosen],
        )

    def by_group(self) -> list[Molecules]:
        """Return the molecules of all cells, and of each group if there are groups."""
        both = 0.0 if self.ambiguous is None else _per_cell(self.ambiguous)
        s, u = self.per_cell
        table = np.stack([np.ones_like(s), s, u, both + np.zeros_like(s)])
        found = [Molecules("all cells", *map(float, table.sum(axis=1)))]
        if self.groups is not None:
            codes, names = self.groups.cat.codes.to_numpy(), self.groups.cat.categories
            some = codes >= 0
            sums = [np.bincount(codes[some], row[some], len(names)) for row in table]
            found += [
                Molecules(str(name), *map(float, of))
                for name, *of in zip(names, *sums, strict=True)
            ]
        return found


class Molecules(NamedTuple):
    """Cells and molecules of a group of cells."""

    group: str
    n_cells: float
    spliced: float
    unspliced: float
    ambiguous: float

    @property
    def unspliced_share(self) -> float:
        """The share of unspliced molecules in all spliced and unspliced molecules."""
        return _share(self.spliced, self.unspliced)


def _share(spliced: float, unspliced: float) -> float:
    total = spliced + unspliced
    return unspliced / total if total > 0 else np.nan


def _per_cell(x: sp.csr_array[Any]) -> NDArray[Any]:
    return np.asarray(x.sum(axis=1)).ravel()
