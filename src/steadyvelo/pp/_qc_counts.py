"""The counts that quality checks read, and the result of a check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from ._cell_sizes import Doubt

__all__ = ["Counts", "Finding"]


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
    """

    spliced: sp.csr_array[Any]
    unspliced: sp.csr_array[Any]
    ambiguous: sp.csr_array[Any] | None
    cells: pd.Index
    genes: pd.Index
    groups: pd.Series | None
    doubt: Doubt | None

    @property
    def layers(self) -> dict[str, sp.csr_array[Any]]:
        """The two layers by name."""
        return {"spliced": self.spliced, "unspliced": self.unspliced}

    def per_cell(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the spliced and the unspliced molecules of each cell."""
        return _sums(self.spliced, axis=1), _sums(self.unspliced, axis=1)

    def per_gene(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the spliced and the unspliced molecules of each gene."""
        return _sums(self.spliced, axis=0), _sums(self.unspliced, axis=0)

    def unspliced_share(self) -> float:
        """Return the share of unspliced molecules in all spliced and unspliced molecules."""
        s, u = float(self.spliced.sum()), float(self.unspliced.sum())
        return u / (s + u) if s + u > 0 else np.nan

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

    def by_group(self) -> Iterator[tuple[str, Counts]]:
        """Yield the name and the counts of each group of cells; nothing if there are no groups."""
        if self.groups is not None:
            for name in self.groups.cat.categories:
                yield name, self.of_cells((self.groups == name).to_numpy())


def _sums(x: sp.csr_array[Any], axis: int) -> NDArray[Any]:
    return np.asarray(x.sum(axis=axis)).ravel()
