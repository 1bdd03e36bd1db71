"""Nearest neighbours by spliced expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import (
    check_adata,
    check_counts,
    check_key,
    listed,
    warn,
    writable,
)
from steadyvelo._adata._draws import Names, hash_names
from steadyvelo._adata._groups import within_codes
from steadyvelo._adata._kind_of_counts import is_normalised
from steadyvelo._adata._provenance import stamp
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo._settings import settings
from steadyvelo.engine import count_threads, weighted_row_sums

from ._components import Components, components
from ._expression import LogExpression
from ._nearest import (
    comparable_rows,
    distance_graph,
    fuzzy_graph,
    nearest_in_groups,
    nearest_neighbors,
)

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["component_genes", "log_expression", "neighbors", "principal_components"]

# cells from which directions of principal components are computed
_COMPONENT_CELLS = 100_000


@public
def neighbors(
    adata: AnnData,
    *,
    n_neighbors: int = 30,
    n_pcs: int = 30,
    use_rep: str | None = None,
    metric: Literal["euclidean", "cosine", "correlation"] = "euclidean",
    within: str | None = None,
    spliced: str = "spliced",
    key_added: str | None = None,
    rng: int | np.random.Generator | None = 0,
) -> None:
    """Find every cell's nearest neighbours, and compute the neighbour graph.

    Distances are those in a representation of the cells. Up to 20,000 cells all distances are
    computed. For more cells, the search is approximate, and finds at least 99 % of the true
    neighbours in a sample of 200 cells. Connectivities are UMAP's fuzzy simplicial set. Both
    equal those of scanpy's function with this name.

    Parameters
    ----------
    adata
        Cells × genes.
    n_neighbors
        Number of neighbours including the cell itself; the graph of distances stores one less.
    n_pcs
        Number of principal components to use, at most those that ``X_pca`` has.
    use_rep
        Name of a representation in ``obsm``, for example from Harmony or scVI. None means
        ``obsm["X_pca"]`` if it exists. Otherwise principal components of log(1 + s / size factor)
        are computed from the used genes, or from those of them that ``var["highly_variable"]``
        marks; their directions from at most 100,000 cells, drawn by name.
    metric
        Distance between two cells x and y: ``"euclidean"``, ``"cosine"`` (1 − x · y / ‖x‖ ‖y‖), or
        ``"correlation"`` (1 − the Pearson correlation over dimensions).
    within
        Column of ``obs`` with groups, such as batches: the neighbours of a cell are searched among
        the cells of its group. The graph then has no edges between groups, so smoothing does not
        mix their counts, and walks stay in the group in which they begin. None searches among all
        cells.
    spliced
        Name of the layer of spliced counts.
    key_added
        Name of the graph; None means scanpy's ``uns["neighbors"]``.
    rng
        Seed of the principal components and of the approximate search: a whole number, a
        `numpy.random.Generator` from which one is drawn, or None for one from the system. It is
        recorded.

    Returns
    -------
    None. Sets:

    ``obsp["distances"]``, ``obsp["connectivities"]``, ``uns["neighbors"]``
        In scanpy's format, with `key_added` as prefix if it is given.
    ``obsm["X_pca"]``, ``varm["PCs"]``
        Principal components and their loadings (0 for genes that are not in them), if they were
        computed.

    Raises
    ------
    KeyError
        If the representation, the size factors or the column `within` are missing.
    ValueError
        If there are not more cells than neighbours, in each group of `within`; if a cell has no
        group; if a representation has NaN or infinite values; or if a cell has no direction in it,
        which ``"cosine"`` and ``"correlation"`` need.

    Warns
    -----
    SteadyveloWarning
        If fewer components than `n_pcs` can be computed, or cells are exact copies of other cells.

    References
    ----------
    McInnes, Healy and Melville (2018), https://arxiv.org/abs/1802.03426.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=60, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=10, n_pcs=5)
    >>> int(adata.obsp["distances"].nnz) == 60 * 9
    True
    """
    check_adata(adata)
    _check_cells(adata.n_obs, n_neighbors)
    groups = within_codes(adata, within)
    if groups is not None:
        _check_groups(adata.obs[within], groups, n_neighbors)
    computed = None
    if use_rep is not None:
        representation = check_key(adata, "obsm", use_rep, "give one of these as use_rep=.")
    elif _keys.PCA.is_in(adata):
        representation = _keys.PCA.read(adata)[:, :n_pcs]
    else:
        genes = component_genes(adata)
        computed = principal_components(adata, spliced, genes, n_pcs, rng)
        representation = computed.of_cells
    rows = representation if computed is None else adata.layers[spliced]
    representation = np.asarray(representation, dtype=np.float32)
    if not np.isfinite(representation).all():
        msg = "the representation has NaN or infinite values; recompute it."
        raise ValueError(msg)
    _warn_of_copies(rows)

    compared = _comparable(adata, representation, metric)
    if groups is None:
        indices, near = nearest_neighbors(compared, n_neighbors, rng=rng)
    else:
        indices, near = nearest_in_groups(compared, groups, n_neighbors, rng=rng)
    found = near.astype(np.float64)
    if metric != "euclidean":
        found = found**2 / 2
    params = {
        "n_neighbors": n_neighbors,
        "method": "umap",
        "metric": metric,
        "random_state": rng,
        "n_pcs": int(representation.shape[1]),
        **({"use_rep": use_rep} if use_rep is not None else {}),
        **({"within": within} if within is not None else {}),
        **stamp(adata),
    }
    writable(adata)
    if computed is not None:
        _keys.PCA.write(adata, computed.of_cells)
        loadings = np.zeros((adata.n_vars, computed.loadings.shape[1]), dtype=np.float32)
        loadings[genes] = computed.loadings
        _keys.PCS.write(adata, loadings)
    prefix = "" if key_added is None else f"{key_added}_"
    entry: dict[str, Any] = {"params": params}
    for field, graph in (
        (_keys.CONNECTIVITIES, fuzzy_graph(indices, found)),
        (_keys.DISTANCES, distance_graph(indices, found)),
    ):
        entry[f"{field.name}_key"] = prefix + field.name
        adata.obsp[prefix + field.name] = graph
    adata.uns[key_added or _keys.NEIGHBORS.of()] = entry
    inside = "" if within is None else f", within {within}"
    done(
        f"{n_neighbors} neighbours of each of {adata.n_obs:,} cells are found in "
        f"{representation.shape[1]} dimensions of {use_rep or _keys.PCA.of()}{inside}"
    )


def _check_cells(n_cells: int, n_neighbors: int) -> None:
    """Refuse more neighbours than cells."""
    if n_cells <= n_neighbors:
        msg = (
            f"n_neighbors={n_neighbors} is too large for {n_cells} cells; give a smaller "
            "n_neighbors= or more cells."
        )
        raise ValueError(msg)


def _check_groups(column: pd.Series, groups: NDArray[np.intp], n_neighbors: int) -> None:
    """Refuse more neighbours than cells of a group."""
    sizes = np.bincount(groups)
    if (sizes <= n_neighbors).any():
        name = column.iloc[int(np.flatnonzero(groups == sizes.argmin())[0])]
        msg = (
            f"n_neighbors={n_neighbors} is too large for the {sizes.min()} cells of {str(name)!r} "
            f"in obs[{column.name!r}]; give a smaller n_neighbors=, or leave these cells out."
        )
        raise ValueError(msg)


def _comparable(
    adata: AnnData, representation: NDArray[np.float32], metric: str
) -> NDArray[np.float32]:
    """Return rows in which Euclidean neighbours are those by the metric; refuse rows of zeros."""
    rows = comparable_rows(representation, metric)
    without = ~rows.any(axis=1)
    if metric != "euclidean" and without.any():
        what = "only zeros" if metric == "cosine" else "the same value in all dimensions"
        msg = (
            f"metric={metric!r} cannot be computed for {int(without.sum()):,} cells "
            f"({listed(adata.obs_names[without], 3)}), which have {what} in the representation; "
            "leave them out, or use metric='euclidean'."
        )
        raise ValueError(msg)
    return rows


def _warn_of_copies(rows: Any) -> None:
    """Warn of rows that occur more than once in a matrix."""
    if sp.issparse(rows):
        csr = sp.csr_array(rows)
        if not csr.has_sorted_indices:
            csr = csr.sorted_indices()
        # copies have the same sum under any weights; the others need not be compared
        weights = np.random.default_rng(0).random(csr.shape[1])
        sums = weighted_row_sums(csr, weights[:, None], count_threads(settings.n_threads))
        _, number, times = np.unique(sums, return_inverse=True, return_counts=True)
        some = np.flatnonzero(times[number.ravel()] > 1)
        ends = zip(csr.indptr[some], csr.indptr[some + 1], strict=True)
        contents = {csr.indices[a:b].tobytes() + csr.data[a:b].tobytes() for a, b in ends}
        n_doubled = len(some) - len(contents)
    else:
        n_doubled = len(rows) - len(np.unique(np.asarray(rows), axis=0))
    if n_doubled:
        warn(
            f"{n_doubled:,} cells are exact copies of another cell and become its neighbours; "
            "remove them, samples may have been joined twice."
        )


def component_genes(adata: AnnData) -> NDArray[np.bool_]:
    """Return the genes for principal components: the used genes, if marked only variable ones."""
    genes = np.ones(adata.n_vars, dtype=bool)
    for field in (_keys.GENES_USED, _keys.HIGHLY_VARIABLE):
        if field.is_in(adata) and (genes & field.values(adata)).any():
            genes &= field.values(adata)
    return genes


def log_expression(adata: AnnData, spliced: str, genes: NDArray[np.bool_]) -> LogExpression:
    """Return log(1 + s / size factor) of some genes; normalised counts are not divided."""
    counts, factor = check_counts(adata, spliced), None
    if not is_normalised(counts) or _keys.SPLICED_FACTOR.is_in(adata):
        remedy = "run pp.size_factors(adata) first."
        factor = _keys.SPLICED_FACTOR.read(adata, remedy=remedy).to_numpy(dtype=np.float32)
    return LogExpression.of(counts, genes, factor, count_threads(settings.n_threads))


def principal_components(
    adata: AnnData, spliced: str, genes: NDArray[np.bool_], n_pcs: int, rng: int
) -> Components:
    """Return principal components of log-normalised spliced counts of some genes."""
    log_counts = log_expression(adata, spliced, genes)
    most = min(log_counts.shape) - 1
    if most < 1:
        msg = (
            f"principal components need two genes and two cells; there are {log_counts.shape[1]} "
            f"genes and {log_counts.shape[0]} cells. Use a representation as use_rep=."
        )
        raise ValueError(msg)
    if most < n_pcs:
        warn(
            f"n_pcs={n_pcs} is larger than {most}, the number of principal components of "
            f"{log_counts.shape[0]} cells and {log_counts.shape[1]} genes; {most} are used."
        )
    cells = None
    if adata.n_obs > _COMPONENT_CELLS:
        names = Names(hash_names(adata.obs_names), rng)
        cells = names.sample("cells of principal components", _COMPONENT_CELLS)
    return components(log_counts, min(n_pcs, most), cells=cells, rng=rng)
