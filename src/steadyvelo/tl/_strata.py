"""Strata: groups of cells in similar states, within which conditions are compared.

Strata for the genes of one fold are made from the genes of the other fold, as neighbours are. If a
gene's own counts took part, cells would be together because they have many spliced molecules of it
by chance, and more so in the condition with fewer molecules per cell: the ratios of two conditions
with different depths would seem to differ by 3 to 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo._adata._draws import Names
from steadyvelo._adata._groups import grouping_column
from steadyvelo._adata._neighbor_graph import external, neighbor_params, representation
from steadyvelo.pp._near_lists import divided
from steadyvelo.pp._neighbors import component_genes

from ._fold_neighbors import states_from

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit

__all__ = ["Strata"]

# average number of cells in a stratum
_CELLS = 50
# genes of a fold from which principal components can be computed
_LEAST_GENES = 3
_REMEDY = (
    "cells in similar states are matched in it; restore it, or name a column of obs with groups of "
    "similar cells as strata=."
)


@dataclass(frozen=True, eq=False)
class Strata:
    """The stratum of every cell, and the cluster of every stratum, for some genes.

    Attributes
    ----------
    genes
        Mask of all genes for which these strata are, shape (genes,).
    codes
        Number of each cell's stratum, shape (cells,); −1 for cells that are not compared.
    clusters
        Number of each stratum's cluster, shape (strata,).
    """

    genes: NDArray[np.bool_]
    codes: NDArray[np.intp]
    clusters: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        fit: Fit,
        strata: str | None,
        clusters: NDArray[np.intp],
        *,
        rng: int,
        n_threads: int,
    ) -> list[Strata]:
        """Divide cells by a column of `obs`, or by k-means in a representation of the cells.

        This is the representation of the neighbour graph, if it is from other data than the counts
        or there are too few genes for folds; otherwise principal components of the genes of the
        other fold. No stratum has cells of two clusters; cells without a cluster (−1) have no
        stratum.
        """
        every = np.ones(fit.adata.n_vars, dtype=bool)
        if strata is not None:
            return [cls._named(fit, strata, clusters, every)]
        key = fit.options.neighbors_key
        fold = Names(fit.inputs.gene_hashes, rng).halves("genes of strata")
        of_folds = np.bincount(fold[component_genes(fit.adata)], minlength=2)
        if external(neighbor_params(fit.adata, key)) or of_folds.min() < _LEAST_GENES:
            rows = representation(fit.adata, key, _REMEDY)
            return [cls._alike(fit, rows, clusters, every, rng=rng, n_threads=n_threads)]
        found = []
        for number in (0, 1):
            rows = states_from(fit.inputs, fold != number, fit.options, rng, n_threads)
            genes = fold == number
            found.append(cls._alike(fit, rows, clusters, genes, rng=rng, n_threads=n_threads))
        return found

    def numbers(self, units: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return numbers of pairs of unit and stratum of all cells; −1 for cells left out."""
        return np.where(self.codes >= 0, units * len(self.clusters) + self.codes, -1)

    def cells_of(self, units: NDArray[np.intp], n_units: int) -> NDArray[np.intp]:
        """Return the number of cells of every unit in every stratum, (units, strata)."""
        numbers = self.numbers(units)
        n_strata = len(self.clusters)
        counted = np.bincount(numbers[numbers >= 0], minlength=n_units * n_strata)
        return counted.reshape(n_units, n_strata)

    def of_cluster(self, cluster: int | None) -> NDArray[np.bool_]:
        """Return a mask of the strata of a cluster; None means all."""
        every = np.ones(len(self.clusters), dtype=bool)
        return every if cluster is None else self.clusters == cluster

    @classmethod
    def _named(
        cls, fit: Fit, strata: str, clusters: NDArray[np.intp], genes: NDArray[np.bool_]
    ) -> Strata:
        """Divide the cells of each cluster by a column of `obs`."""
        column = grouping_column(fit.adata, "strata", strata, "give a column of strata.")
        labels = column.astype("category").cat
        some = (labels.codes.to_numpy() >= 0) & (clusters >= 0)
        n_labels = len(labels.categories)
        there, numbers = np.unique(
            clusters[some] * n_labels + labels.codes.to_numpy()[some], return_inverse=True
        )
        codes = np.full(len(clusters), -1, dtype=np.intp)
        codes[some] = numbers
        return cls(genes, codes, there // max(n_labels, 1))

    @classmethod
    def _alike(
        cls,
        fit: Fit,
        rows: NDArray[np.float32],
        clusters: NDArray[np.intp],
        genes: NDArray[np.bool_],
        *,
        rng: int,
        n_threads: int,
    ) -> Strata:
        """Divide the cells of each cluster by k-means."""
        # an order that does not depend on that of the cells
        numbers = Names(fit.inputs.cell_hashes, rng).numbers("cells of strata")
        order = np.argsort(numbers, kind="stable")
        codes, of_strata = np.full(len(rows), -1, dtype=np.intp), np.zeros(0, dtype=np.intp)
        for cluster in np.unique(clusters[clusters >= 0]):
            cells = order[clusters[order] == cluster]
            found = divided(np.ascontiguousarray(rows[cells]), _CELLS, rng % 2**31, n_threads)
            codes[cells] = len(of_strata) + found
            of_strata = np.append(of_strata, np.full(int(found.max()) + 1, cluster))
        return cls(genes, codes, of_strata)
