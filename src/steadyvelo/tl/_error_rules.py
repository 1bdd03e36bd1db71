"""How errors of ratios are found, from what the user asks and what the data hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key, one_of
from steadyvelo._adata._groups import sample_codes, used_cells
from steadyvelo._adata._neighbor_graph import connectivities
from steadyvelo._adata._provenance import hash_values
from steadyvelo.engine import (
    BYTES_PER_VALUE,
    CrossFit,
    Sandwich,
    SmoothingOperator,
    Split,
    Spreading,
)
from steadyvelo.pp._nearest import nearest_neighbors
from steadyvelo.pp._neighbors import component_genes, principal_components

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import CountsSource, Uncertainty

__all__ = ["METHODS", "ErrorChoice", "folds_hash"]

METHODS = ("sandwich", "crossfit")


@dataclass(frozen=True)
class ErrorChoice:
    """What a user asks for; see :func:`steadyvelo.tl.velocity`.

    Attributes
    ----------
    method
        How errors are found; None for none.
    level, n_splits, gene_clusters, batch_key, rng
        As the arguments of that function.
    """

    method: str | None
    n_splits: int = 5
    level: float = 0.95
    gene_clusters: str | None = None
    batch_key: str | None = None
    rng: int = 0

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> ErrorChoice:
        """Read what a fit recorded by :meth:`params`."""
        return cls(
            params.get("uncertainty"),
            int(params.get("n_splits", 5)),
            float(params.get("level", 0.95)),
            params.get("gene_clusters") or None,
            params.get("batch_key") or None,
            int(params.get("rng", 0)),
        )

    def check(self) -> None:
        """Refuse what cannot be asked for."""
        if self.method is not None:
            one_of("uncertainty", self.method, METHODS)
        n = self.n_splits
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            msg = f"n_splits must be a whole number of at least 1; it is {n!r}."
            raise ValueError(msg)
        if isinstance(self.rng, bool) or not isinstance(self.rng, (int, np.integer)):
            msg = f"rng must be a whole number, which is recorded as the seed; it is {self.rng!r}."
            raise TypeError(msg)
        if not 0 < self.level < 1:
            msg = (
                f"level must lie between 0 and 1, as 0.95 for a 95 % interval; it is {self.level}."
            )
            raise ValueError(msg)

    def bytes_per_value(self, n_rules: int | None = None) -> int:
        """Return what a value of a block takes with everything that is made of it.

        Parameters
        ----------
        n_rules
            Rules under which genes are fitted; None means those of one fit, with cross-fitting
            that of the test of its offset as well.
        """
        if self.method is None:
            return BYTES_PER_VALUE
        if self.method == "sandwich":
            # counts of the second layer, weights, what cells give; for every rule the instruments
            return BYTES_PER_VALUE + 16 + 8 * (n_rules or 1)
        # counts of the second layer; counts of a fold and their moments; for every rule what cells
        # give and the instruments
        return BYTES_PER_VALUE + 12 + 12 * (n_rules or 2)

    def params(self) -> dict[str, Any]:
        """Return what is recorded of the choice."""
        if self.method is None:
            return {}
        params = {
            "uncertainty": self.method,
            "level": self.level,
            "batch_key": self.batch_key or "",
        }
        if self.method == "crossfit":
            clusters = self.gene_clusters or ""
            params |= {"n_splits": self.n_splits, "gene_clusters": clusters, "rng": self.rng}
        return params

    def rule(
        self, adata: AnnData, source: CountsSource, spliced: str, neighbors_key: str | None
    ) -> Uncertainty:
        """Return how errors of the ratios of a source are found."""
        shared: dict[str, Any] = {
            "scales": np.stack([source.spliced_scale, source.unspliced_scale]),
            "level": self.level,
            "batches": sample_codes(adata, self.batch_key),
        }
        if self.method == "sandwich":
            return Sandwich(**shared, spreading=Spreading.transposing(source.smoothing))
        generator = np.random.default_rng(self.rng)
        splits = [
            _split(adata, source.genes, generator, self.gene_clusters, spliced, neighbors_key)
            for _ in range(self.n_splits)
        ]
        return CrossFit(**shared, splits=splits)


def folds_hash(adata: AnnData, gene_clusters: str | None) -> str:
    """Return a short hash of what folds of genes are made from."""
    columns = [component_genes(adata)]
    if gene_clusters is not None:
        columns.append(pd.factorize(adata.var[gene_clusters])[0])
    return hash_values(*columns)


def _split(
    adata: AnnData,
    genes: NDArray[np.int64],
    generator: np.random.Generator,
    gene_clusters: str | None,
    spliced: str,
    neighbors_key: str | None,
) -> Split:
    """Cut genes and cells in two at random and find the neighbours for each fold of genes."""
    cells = used_cells(adata)
    cell_fold = _halves(generator, adata.n_obs)
    params = neighbor_params(adata, neighbors_key)
    if external(params):
        # these neighbours do not come from these counts: they are the same for all genes
        graph = SmoothingOperator.from_connectivities(connectivities(adata, neighbors_key), cells)
        graph = graph.without_self()
        return Split(np.zeros(len(genes), dtype=np.int8), cell_fold, (graph, graph))
    gene_fold = _gene_halves(adata, generator, gene_clusters)
    chosen = component_genes(adata)
    seed = int(generator.integers(2**31 - 1))
    graphs = tuple(
        _graph(adata, spliced, chosen & (gene_fold != fold), params, seed, cells) for fold in (0, 1)
    )
    return Split(gene_fold[genes], cell_fold, graphs)


def neighbor_params(adata: AnnData, neighbors_key: str | None) -> dict[str, Any]:
    """Return the parameters the neighbour graph was made with, where they are known."""
    entry = adata.uns.get(neighbors_key or _keys.NEIGHBORS.of(), {})
    return dict(entry.get("params", {}))


def external(params: dict[str, Any]) -> bool:
    """Tell whether neighbours come from a representation that is not made of these counts."""
    return params.get("use_rep") not in {None, _keys.PCA.of(), "X"}


def _graph(
    adata: AnnData,
    spliced: str,
    genes: NDArray[np.bool_],
    params: dict[str, Any],
    seed: int,
    cells: NDArray[np.bool_],
) -> SmoothingOperator:
    """Return means over the nearest neighbours by some genes, each cell itself left out."""
    n_neighbors = min(int(params.get("n_neighbors", 30)), adata.n_obs - 1)
    # half of the genes may not have as many
    n_pcs = min(int(params.get("n_pcs", 30) or 30), adata.n_obs - 1, int(genes.sum()) - 1)
    # sizes over all genes would carry counts of the other fold into the neighbours of this one
    components = principal_components(adata, spliced, genes, n_pcs, seed, alone=True)
    indices, _ = nearest_neighbors(np.asarray(components, dtype=np.float32), n_neighbors, rng=seed)
    others = np.ascontiguousarray(np.sort(indices[:, 1:], axis=1))
    indptr = np.arange(adata.n_obs + 1, dtype=np.int64) * others.shape[1]
    return SmoothingOperator(indptr, others.ravel()).without(~cells)


def _halves(generator: np.random.Generator, n: int) -> NDArray[np.int8]:
    fold = np.zeros(n, dtype=np.int8)
    fold[generator.permutation(n)[: n // 2]] = 1
    return fold


def _gene_halves(
    adata: AnnData, generator: np.random.Generator, gene_clusters: str | None
) -> NDArray[np.int8]:
    """Cut the genes in two; those of one cluster stay together."""
    if gene_clusters is None:
        return _halves(generator, adata.n_vars)
    column = check_key(adata, "var", gene_clusters, "name the column that holds gene clusters.")
    codes, names = pd.factorize(column)
    # a gene without a cluster is one of its own
    alone = codes < 0
    codes[alone] = len(names) + np.arange(int(alone.sum()))
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        msg = f"var[{gene_clusters!r}] holds one cluster; folds of genes need at least two."
        raise ValueError(msg)
    fold = np.zeros(len(sizes), dtype=np.int8)
    filled = [0, 0]
    # large clusters first, each to the fold that holds less: halves of like size
    order = generator.permutation(len(sizes))
    for cluster in order[np.argsort(-sizes[order], kind="stable")]:
        smaller = int(filled[1] < filled[0])
        fold[cluster] = smaller
        filled[smaller] += int(sizes[cluster])
    if generator.integers(2):
        fold = (1 - fold).astype(np.int8)
    return fold[codes]
