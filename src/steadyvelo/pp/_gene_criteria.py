"""Criteria for genes: their molecules, the cells with molecules, and the means of clusters."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steadyvelo._adata._checks import canonical_rows
from steadyvelo._adata._groups import cluster_codes
from steadyvelo.engine import shared_column_sums, weighted_column_sums

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["VELOCYTO_MEANS", "Criterion", "GeneCounts", "means_criteria"]

# velocyto's thresholds of means; for clusters with at most this number of cells it uses all cells
VELOCYTO_MEANS = (0.08, 0.02)
_SMALL_CLUSTER = 40
_KINDS = ("spliced", "unspliced")
# what is counted for each argument
_COUNTED = {
    "min_shared_counts": "shared counts",
    "min_spliced_counts": "spliced counts",
    "min_unspliced_counts": "unspliced counts",
    "min_shared_cells": "cells with spliced and unspliced counts",
    "min_spliced_cells": "cells with spliced counts",
    "min_unspliced_cells": "cells with unspliced counts",
}


class Criterion(NamedTuple):
    """A criterion for genes.

    Attributes
    ----------
    passes
        Whether each gene meets it, shape (genes,).
    reason
        Why a gene that does not meet it is not used.
    refusal
        The message if no gene meets it.
    """

    passes: NDArray[np.bool_]
    reason: str
    refusal: str


class GeneCounts:
    """Molecules of every gene, and numbers of cells with molecules, of two layers."""

    def __init__(self, spliced: Any, unspliced: Any, n_threads: int) -> None:
        self._layers = canonical_rows(spliced), canonical_rows(unspliced)
        self._n_threads = n_threads

    @cached_property
    def shared(self) -> NDArray[np.float64]:
        """Spliced and unspliced molecules in cells that contain both."""
        return shared_column_sums(*self._layers, self._n_threads)

    @cached_property
    def totals(self) -> dict[str, NDArray[np.float64]]:
        """All spliced and all unspliced molecules."""
        sums = (self._sums(layer) for layer in self._layers)
        return dict(zip(_KINDS, sums, strict=True))

    def cells(self, kind: str) -> NDArray[np.float64]:
        """Return the number of cells with spliced counts, with unspliced counts, or with both."""
        if kind == "shared":
            # a cell with both is counted once in each layer
            with_both = (_marks(layer) for layer in self._layers)
            return shared_column_sums(*with_both, self._n_threads) / 2
        return self._sums(_marks(self._layers[_KINDS.index(kind)]))

    def means(self, cells: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
        """Return mean spliced and unspliced counts of some cells."""
        chosen = cells.astype(np.float64)
        sums = (weighted_column_sums(x, chosen, self._n_threads) for x in self._layers)
        return [of_layer / chosen.sum() for of_layer in sums]

    def criteria(self, least: Mapping[str, float]) -> list[Criterion]:
        """Return the criteria of the arguments ``min_…`` that are above 0."""
        found = []
        for argument, threshold in least.items():
            if threshold <= 0:
                continue
            _, kind, unit = argument.split("_")
            if unit == "cells":
                values = self.cells(kind)
            else:
                values = self.shared if kind == "shared" else self.totals[kind]
            found.append(_at_least(argument, threshold, values))
        return found

    def _sums(self, layer: Any) -> NDArray[np.float64]:
        return weighted_column_sums(layer, np.ones(layer.shape[0]), self._n_threads)


def means_criteria(
    adata: AnnData, counts: GeneCounts, groupby: str, least: tuple[float, float]
) -> list[Criterion]:
    """Return velocyto's criteria: the largest mean of a cluster is above a threshold.

    There is one for spliced and one for unspliced counts. The mean over all cells takes the place
    of that of a cluster with at most 40 cells.
    """
    _, codes = cluster_codes(adata, groupby)
    sizes = np.bincount(codes[codes >= 0])
    groups = [codes == code for code in np.flatnonzero(sizes > _SMALL_CLUSTER)]
    if (sizes <= _SMALL_CLUSTER).any():
        groups.append(codes >= 0)
    largest = [np.zeros(adata.n_vars) for _ in _KINDS]
    for cells in groups:
        for best, mean in zip(largest, counts.means(cells), strict=True):
            np.maximum(best, mean, out=best)
    return [
        Criterion(
            values > threshold,
            f"no cluster with a mean above {threshold:g} {kind} counts",
            f"no gene has a mean above {threshold:g} {kind} counts in any cluster of "
            f"obs[{groupby!r}] (the maximum is {values.max():g}); lower min_average.",
        )
        for kind, threshold, values in zip(_KINDS, least, largest, strict=True)
    ]


def _at_least(argument: str, threshold: float, values: NDArray[np.float64]) -> Criterion:
    what = _COUNTED[argument]
    layers = ", or check that both layers belong to the same cells" if "shared" in argument else ""
    return Criterion(
        values >= threshold,
        f"fewer than {threshold:g} {what}",
        f"no gene has {threshold:g} {what} (the maximum is {values.max():g}); lower "
        f"{argument}{layers}.",
    )


def _marks(layer: sp.csr_array[Any]) -> sp.csr_array[Any]:
    """Return 1 in place of every count above 0; indices are shared."""
    marks = (layer.data > 0).astype(np.int8)
    return sp.csr_array((marks, layer.indices, layer.indptr), shape=layer.shape)
